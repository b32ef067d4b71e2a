"""What a customer's program does, with the client that was generated from the API document.

Sells something, orders it, waits until it is confirmed, and reads all back by the generated types. Any answer that the
generated code cannot read fails it.
"""

import os
import sys
import time
import uuid

from mewayz_client import AuthenticatedClient
from mewayz_client.api.cart import cart_open
from mewayz_client.api.currency import currency_list
from mewayz_client.api.order import order_history, order_list, order_show, order_submit
from mewayz_client.api.product import product_create, product_list, product_show
from mewayz_client.api.stock import stock_receive, stock_show
from mewayz_client.models import (
    NewCart,
    NewOrder,
    NewProduct,
    NewVariant,
    OrderLine,
    OrderStatus,
    Price,
    CurrencyInUse,
    StockReceipt,
)

client = AuthenticatedClient(
    base_url=os.environ["MEWAYZ_URL"],
    token=os.environ["MEWAYZ_KEY"],
    raise_on_unexpected_status=True,
)


def key() -> str:
    return str(uuid.uuid4())


def done(answer, status):
    assert answer.status_code == status, (answer.status_code, answer.content)
    return answer.parsed


sku = f"CLIENT-{uuid.uuid4().hex[:8]}"
price = Price(amount=1250, currency=CurrencyInUse.USD)

currencies = {entry.code: entry for entry in done(currency_list.sync_detailed(client=client), 200).items}
assert currencies["KWD"].exponent == 3 and currencies["BGN"].in_use is False

product = done(
    product_create.sync_detailed(
        client=client,
        body=NewProduct(title="Cup", variants=[NewVariant(sku=sku, title="Blue", prices=[price])]),
        idempotency_key=key(),
    ),
    201,
)
received = done(
    stock_receive.sync_detailed(
        sku, "MAIN", client=client, body=StockReceipt(quantity=5), idempotency_key=key()
    ),
    200,
)
shown = done(product_show.sync_detailed(product.id, client=client, min_position=product.position), 200)
assert shown.variants[0].prices[0].decimal == "12.50", shown
assert shown.version == product.version and shown.created_at <= shown.updated_at
found = done(product_list.sync_detailed(client=client, sku=sku, min_position=product.position), 200)
assert [one.id for one in found.items] == [product.id], found
stock = done(stock_show.sync_detailed(sku, "MAIN", client=client, min_position=received.position), 200)
assert stock.available == 5, stock

order = done(
    order_submit.sync_detailed(
        client=client,
        body=NewOrder(
            customer_id="cus_01h455vb4pex5vsknk084sn02q",
            currency=CurrencyInUse.USD,
            lines=[OrderLine(sku=sku, quantity=2, location="MAIN")],
            payment_method="card",
        ),
        idempotency_key=key(),
    ),
    201,
)
until = time.monotonic() + 30
while True:
    placed = done(order_show.sync_detailed(order.id, client=client, min_position=order.position), 200)
    if placed.status == OrderStatus.CONFIRMED:
        break
    assert time.monotonic() < until, placed
    time.sleep(0.1)
assert placed.total.decimal == "25.00" and placed.captured.amount == 2500, placed
orders = done(
    order_list.sync_detailed(client=client, status=OrderStatus.CONFIRMED, customer_id=placed.customer_id), 200
)
assert order.id in [one.id for one in orders.items]
history = done(order_history.sync_detailed(order.id, client=client), 200)
assert history.items[0].event["type"] == "Placed", history
opened = done(
    cart_open.sync_detailed(client=client, body=NewCart(currency=CurrencyInUse.EUR), idempotency_key=key()), 201
)
assert opened.id.startswith("cart_")
print(f"The generated client sold, ordered and read back: {order.id}", file=sys.stderr)
