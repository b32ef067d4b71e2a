//! `/api/mine`: what is a person's as a customer of workspaces that they are no member of.
//!
//! One look decides for all of it ([`theirs`]): which customers of a workspace the person is. What belongs to these is
//! shown, and all else is not there, be it another customer's or in another workspace.

use std::collections::BTreeSet;

use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::Context;
use commands::identity::party;
use commands::identity::workspace::PLATFORM;
use domain::finance::payment::PaymentStatus;
use domain::ids::{CustomerId, OrderId, PaymentId, RefundId, WorkspaceId};
use domain::money::Money;
use projections::commerce::order::{OrderView, Orders, OrdersOf};
use projections::finance::payment::{PaymentFilter, PaymentView};
use projections::identity::party::{Counterpart, Counterparts};
use projections::{View, find};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Done, Shown};
use crate::app::App;
use crate::extract::{List, NoBody, NoFilter, Path, Person, PersonCommand, Show};
use crate::fresh::MinPosition;
use crate::page::{Page, Paging};
use crate::problem::{Problem, Result};
use crate::read::Read;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_mine))
        .routes(routes!(link))
        .routes(routes!(leave))
        .routes(routes!(list_my_orders))
        .routes(routes!(show_my_order))
        .routes(routes!(list_my_payments))
}

/// The token that a workspace has made for you.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PartyClaim {
    #[schema(min_length = 1, max_length = 512)]
    token: String,
}

/// A workspace that you are a customer of.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfWorkspace {
    workspace: WorkspaceId,
}

/// What a workspace knows you by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OneParty {
    workspace: WorkspaceId,
    customer: CustomerId,
}

/// An order of yours.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OneOrder {
    workspace: WorkspaceId,
    order: OrderId,
}

/// Where you see what is yours.
#[derive(Debug, Serialize, ToSchema)]
struct Mine {
    customer_of: BTreeSet<Counterpart>,
}

/// A payment, as whoever pays sees it.
#[derive(Debug, Serialize, ToSchema)]
struct MyPayment {
    id: PaymentId,
    order_id: OrderId,
    created_at: DateTime<Utc>,
    status: PaymentStatus,
    amount: Money,
    captured: Money,
    refunded: Money,
    refunds: Vec<RefundId>,
}

impl From<PaymentView> for MyPayment {
    fn from(of: PaymentView) -> Self {
        Self {
            id: of.stem.id,
            order_id: of.order_id,
            created_at: of.stem.created_at,
            status: of.status,
            amount: of.amount,
            captured: of.captured,
            refunded: of.refunded,
            refunds: of.refunds,
        }
    }
}

/// All that the actor is linked to, as of a position.
async fn linked(app: &App, cx: &Context, fresh: &MinPosition) -> Result<(i64, BTreeSet<Counterpart>)> {
    fresh.reached(app, Counterparts::NAME).await?;
    let seen = fresh.seen(find::<Counterparts>(&app.reads, PLATFORM, cx.account()?).await?)?;
    Ok((seen.position, seen.value.map(|row| row.parties).unwrap_or_default()))
}

/// Reads of a workspace for the customers that the actor is there, whoever else they may be. Whom the read model still
/// takes for one and who is no longer is none.
///
/// # Errors
/// `not-found` if they are none.
async fn theirs(
    app: &App,
    cx: Context,
    workspace: WorkspaceId,
    fresh: &MinPosition,
) -> Result<(Read, Vec<CustomerId>)> {
    let (account, mut customers) = (cx.account()?, Vec::new());
    let (_, parties) = linked(app, &cx, fresh).await?;
    for Counterpart { customer, .. } in parties.into_iter().filter(|of| of.workspace == workspace) {
        if party::is(&app.store, workspace, customer, account).await? {
            customers.push(customer);
        }
    }
    if customers.is_empty() {
        return Err(Problem::not_found());
    }
    Ok((Read { app: app.clone(), cx: cx.elsewhere(workspace) }, customers))
}

/// An order, if it is one of the actor's.
async fn order(
    app: &App,
    cx: Context,
    OneOrder { workspace, order }: OneOrder,
    fresh: &MinPosition,
) -> Result<(Read, Shown<OrderView>)> {
    let (read, customers) = theirs(app, cx, workspace, fresh).await?;
    let shown = read.one::<Orders>(order, fresh).await?;
    let is_theirs = customers.contains(&shown.body.customer_id);
    if is_theirs { Ok((read, shown)) } else { Err(Problem::not_found()) }
}

/// Show where you see what is yours as a customer.
#[utoipa::path(get, path = "/api/mine", tag = "mine", security(("access_token" = [])),
    params(MinPosition), responses((status = 200, body = Mine)))]
async fn list_mine(State(app): State<App>, Person(cx, _): Person, Show(fresh): Show) -> Result<Shown<Mine>> {
    let (position, customer_of) = linked(&app, &cx, &fresh).await?;
    Ok(Shown { position, version: None, body: Mine { customer_of } })
}

/// See what is yours: show the token that a workspace has made for you.
#[utoipa::path(post, path = "/api/mine/link", tag = "mine", security(("access_token" = [])),
    request_body = PartyClaim, responses(Done))]
async fn link(State(app): State<App>, PersonCommand(cx, _, body): PersonCommand<PartyClaim>) -> Result<Done> {
    Ok(Done(party::claim(cx, &*app.people()?.door.vault, &body.token).await?))
}

/// See no longer what is yours there.
#[utoipa::path(delete, path = "/api/mine/{workspace}/parties/{customer}", tag = "mine",
    security(("access_token" = [])), params(OneParty), responses(Done))]
async fn leave(
    Path(of): Path<OneParty>,
    PersonCommand(cx, _, NoBody {}): PersonCommand<NoBody>,
) -> Result<Done> {
    Ok(Done(party::leave(cx, of.workspace, of.customer).await?))
}

/// List your orders with a workspace, the newest first.
#[utoipa::path(get, path = "/api/mine/{workspace}/orders", tag = "mine", security(("access_token" = [])),
    params(OfWorkspace, Paging, MinPosition), responses((status = 200, body = Page<OrderView>)))]
async fn list_my_orders(
    State(app): State<App>,
    Path(OfWorkspace { workspace }): Path<OfWorkspace>,
    Person(cx, _): Person,
    List(NoFilter {}, paging, fresh): List<NoFilter>,
) -> Result<Shown<Page<OrderView>>> {
    let (read, customers) = theirs(&app, cx, workspace, &fresh).await?;
    read.page(OrdersOf { customers }, &paging, &fresh).await
}

/// Show an order of yours.
#[utoipa::path(get, path = "/api/mine/{workspace}/orders/{order}", tag = "mine", security(("access_token" = [])),
    params(OneOrder, MinPosition), responses((status = 200, body = OrderView)))]
async fn show_my_order(
    State(app): State<App>,
    Path(of): Path<OneOrder>,
    Person(cx, _): Person,
    Show(fresh): Show,
) -> Result<Shown<OrderView>> {
    Ok(order(&app, cx, of, &fresh).await?.1)
}

/// List what was paid for an order of yours, the newest first.
#[utoipa::path(get, path = "/api/mine/{workspace}/orders/{order}/payments", tag = "mine",
    security(("access_token" = [])), params(OneOrder, Paging, MinPosition),
    responses((status = 200, body = Page<MyPayment>)))]
async fn list_my_payments(
    State(app): State<App>,
    Path(of): Path<OneOrder>,
    Person(cx, _): Person,
    List(NoFilter {}, paging, fresh): List<NoFilter>,
) -> Result<Shown<Page<MyPayment>>> {
    let order_id = Some(of.order);
    let (read, _) = order(&app, cx, of, &fresh).await?;
    let filter = PaymentFilter { order_id, ..PaymentFilter::default() };
    let Shown { position, version, body } = read.page(filter, &paging, &fresh).await?;
    let items = body.items.into_iter().map(Into::into).collect();
    Ok(Shown { position, version, body: Page { items, next_cursor: body.next_cursor } })
}
