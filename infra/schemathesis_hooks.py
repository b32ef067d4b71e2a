"""What the generator cannot know: which requests make sense after each other.

It names most idempotency keys "0", and the second request of a name is refused as another's; the versions that it
invents are nobody's; and an order that it invents has no parcels to send. So of four valid requests of its own three
are asked of something that is there and stands where such a request is possible: a draft to place, a parcel to ship,
a refund to approve. The fourth is left as it is.
"""

import functools
import itertools
import os
import re
import time

import requests
import schemathesis

ADDRESS = os.environ["FUZZ_ADDRESS"]
CUSTOMER = "cus_01h455vb4pex5vsknk084sn02q"
LOCATION = "MAIN"
CURRENCY = "USD"
PRICE = {"amount": 1250, "currency": CURRENCY}
UNITS = 3
PATIENCE = 20.0

calls = itertools.count(1)
serials = itertools.count(1)
platform = requests.Session()
platform.headers["Authorization"] = f"Bearer {os.environ['MEWAYZ_KEY']}"


def new(kind):
    return f"{kind}-{time.time_ns()}-{next(serials)}"


def ask(method, path, body=None):
    """What the platform answers to a request that it has to take."""
    headers = {} if method == "GET" else {"Idempotency-Key": new("fuzz")}
    answer = platform.request(method, f"{ADDRESS}/api/{path}", json=body, headers=headers, timeout=PATIENCE)
    assert answer.ok, f"{method} {path} was refused: {answer.status_code} {answer.text}"
    return answer.json()


def product():
    sku = new("MUG")
    variant = {"sku": sku, "title": "Blue", "prices": [PRICE]}
    made = ask("POST", "ecommerce/products", {"title": "Mug", "variants": [variant]})
    return {"id": made["id"], "sku": sku, "currency": CURRENCY}


def new_sku():
    return {"sku": new("MUG")}


@functools.lru_cache(maxsize=1)
def delivery(number):
    sku = product()["sku"]
    ask("POST", f"ecommerce/stock/{sku}/{LOCATION}/receive", {"quantity": 1_000_000})
    return {"sku": sku, "location": LOCATION}


def goods():
    """Something that lies in stock and is sold; now and then another, since chains of requests end the sale of any."""
    return delivery(next(serials) // 300)


def cart():
    made = ask("POST", "ecommerce/carts", {"currency": CURRENCY, "customer": CUSTOMER})["id"]
    sku = goods()["sku"]
    ask("PUT", f"ecommerce/carts/{made}/lines/{sku}", {"quantity": UNITS})
    return {"id": made, "sku": sku}


class Order:
    """An order on its way, with the names that paths and bodies have for its parts."""

    def __init__(self):
        wanted = {"customer_id": CUSTOMER, "currency": CURRENCY}
        self.names = {"id": ask("POST", "ecommerce/orders/drafts", wanted)["id"]}
        # It needs no stock and has its price: nothing that is done to the goods meanwhile is in its way.
        line = {"sku": "MUG", "title": "Mug", "quantity": UNITS, "unit_price": PRICE}
        self.lines = [self.tell("lines", line) for _ in range(2)]
        self.names["line"] = self.lines[0]

    def tell(self, step, body=None):
        """Takes a step; what was made by it, or else the order."""
        return ask("POST", f"ecommerce/orders/{self.names['id']}/{step}", body)["id"]

    def units(self, quantity):
        return {"lines": [{"line": line, "quantity": quantity} for line in self.lines]}

    def pay(self, method, is_done):
        self.tell("place", {"payment_method": method})
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            payments = ask("GET", f"financial/payments?order_id={self.names['id']}")["items"]
            if any(is_done(payment) for payment in payments):
                self.names["payment_id"] = payments[0]["id"]
                return
        raise AssertionError(f"{self.names['id']} has no payment by {method} after {PATIENCE} seconds")

    def declined(self):
        self.pay("decline_soft", lambda payment: any(of["status"] == "declined" for of in payment["attempts"]))

    def paid(self):
        self.pay("ok", lambda payment: payment["status"] == "succeeded")

    def placed(self):
        self.tell("place", {"settlement": "credit_terms"})

    def confirmed(self):
        self.placed()
        self.tell("confirm", {"basis": "credit_terms"})

    def edited(self):
        self.confirmed()
        self.tell("edit")

    def packed(self):
        self.confirmed()
        self.names["fulfilment"] = self.tell("fulfilments", self.units(2))

    def shipped(self):
        self.packed()
        self.tell(f"fulfilments/{self.names['fulfilment']}/ship", {})

    def delivered(self):
        self.shipped()
        self.tell(f"fulfilments/{self.names['fulfilment']}/deliver")

    def returning(self):
        self.delivered()
        self.names["return"] = self.tell("returns", self.units(1))


def order(bring=lambda draft: None):
    def names():
        made = Order()
        bring(made)
        return made.names | {"lines": made.lines}

    return names


def payment_of(bring):
    return lambda: {"id": order(bring)()["payment_id"]}


def refund():
    wanted = {"payment_id": order(Order.paid)()["payment_id"], "amount": PRICE, "reason": "goodwill"}
    return {"id": ask("POST", "financial/refunds", wanted)["id"]}


SHOP, MONEY = "/api/ecommerce", "/api/financial"
PRODUCT, CART, ORDER = f"{SHOP}/products/{{id}}", f"{SHOP}/carts/{{id}}", f"{SHOP}/orders/{{id}}"
PAYMENT, REFUND = f"{MONEY}/payments/{{id}}", f"{MONEY}/refunds/{{id}}"

# What an operation is asked of, the first that fits; what is only read is made once.
FITTING = {
    f"{PRODUCT}(/history)?": functools.cache(product),
    f"{PRODUCT}/variants": lambda: product() | new_sku(),
    f"{PRODUCT}/.*": product,
    f"{SHOP}/products": new_sku,
    f"{SHOP}/stock/.*": goods,
    f"{SHOP}/orders(/quote)?": goods,
    f"{CART}(/history)?": functools.cache(cart),
    f"{CART}/.*": cart,
    f"{ORDER}(/history)?": functools.cache(order(Order.returning)),
    f"{ORDER}/(lines(/.*)?|discount|shipping|tax|place)": order(),
    f"{ORDER}/(confirm|cancel)": order(Order.placed),
    f"{ORDER}/pay": order(Order.declined),
    f"{ORDER}/edit/(confirm|abandon)": order(Order.edited),
    f"{ORDER}/(edit|cancel-lines|fulfilments)": order(Order.confirmed),
    f"{ORDER}/fulfilments/.*/(ship|cancel)": order(Order.packed),
    f"{ORDER}/(fulfilments/.*/deliver|carrier-facts)": order(Order.shipped),
    f"{ORDER}/returns": order(Order.delivered),
    f"{ORDER}/returns/.*": order(Order.returning),
    f"{PAYMENT}(/history)?": functools.cache(payment_of(Order.paid)),
    f"{PAYMENT}/cancel": payment_of(Order.declined),
    f"{MONEY}/refunds": order(Order.paid),
    f"{REFUND}(/history)?": functools.cache(refund),
    f"{REFUND}/(approve|cancel|reject|retry)": refund,
}
FITTING = [(re.compile(paths), make) for paths, make in FITTING.items()]
PLACING = re.compile(f"{SHOP}/orders|{ORDER}/place|{CART}/checkout")


def with_names(told, names):
    """A body, or a part of one, that names what is there."""
    if isinstance(told, list):
        return [with_names(part, names) for part in told]
    if not isinstance(told, dict):
        return told
    known = {name: names[name] for name in told.keys() & names.keys() - {"lines"}}
    if "currency" in told:
        known["currency"] = CURRENCY
    told = {name: with_names(value, names) for name, value in told.items() if name != "totals_hash"} | known
    if isinstance(told.get("lines"), list) and "lines" in names:
        # No line is named twice.
        told["lines"] = [with_names(part, {"line": line}) for part, line in zip(told["lines"], names["lines"])]
    return told


def payable(placing):
    """What is settled by a checkout names a payment method."""
    by_checkout = placing.get("settlement", "checkout") == "checkout"
    return placing | {"payment_method": "ok"} if by_checkout and placing.get("payment_method") is None else placing


@schemathesis.hook
def before_call(context, case, **kwargs):
    invented = case.meta is not None and case.meta.generation.mode.is_positive
    if not invented or next(calls) % 4 == 0:
        return
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = new("fuzz")
    if case.headers and case.method != "GET":
        case.headers.pop("If-Match", None)
    make = next((make for paths, make in FITTING if paths.fullmatch(case.path)), None)
    if make is None:
        return
    names = make()
    case.path_parameters = {name: names.get(name, value) for name, value in (case.path_parameters or {}).items()}
    if not isinstance(case.body, dict):
        return
    body = with_names(case.body, names)
    if case.method == "POST" and PLACING.fullmatch(case.path):
        placing = body.get("placing")
        body = body | {"placing": payable(placing)} if isinstance(placing, dict) else payable(body)
    case.body = body
