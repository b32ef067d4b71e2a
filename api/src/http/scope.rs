//! Scopes: what a key must be allowed, said once where the route is listed.
//!
//! [`needs`] publishes it in the API's document and lets nobody in without it. A request's context then holds the
//! scopes of its route and no others, whatever else its key may do: what is not published cannot be used. A route that
//! is listed without it lets no key in at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use commands::Context;
use http::Extensions;
use utoipa::openapi::SecurityRequirement;
use utoipa::openapi::path::PathItem;
use utoipa_axum::router::{UtoipaMethodRouter, UtoipaMethodRouterExt as _};

use crate::app::App;
use crate::openapi::{KEY, OPTIONAL_SCOPES};

/// What a route asks of a key.
#[derive(Debug, Clone)]
struct Scopes {
    needed: Arc<[&'static str]>,
    /// Used where the request asks for what takes them.
    optional: &'static [&'static str],
}

/// Why nobody gets in.
pub(crate) enum NotNarrowed {
    /// A scope that is needed is not among those of whoever asks.
    Lacks(&'static str),
    /// The route does not say what it needs.
    Unpublished,
}

/// Leaves a request's context the scopes that its route publishes.
///
/// # Errors
/// [`NotNarrowed`].
pub(crate) fn narrow(cx: &mut Context, of_route: &Extensions) -> Result<(), NotNarrowed> {
    let Some(Scopes { needed, optional }) = of_route.get() else {
        tracing::error!("this route does not say which scope it needs");
        return Err(NotNarrowed::Unpublished);
    };
    if let Some(lacking) = needed.iter().find(|scope| !cx.may(scope)) {
        return Err(NotNarrowed::Lacks(lacking));
    }
    cx.held = cx.scopes.clone();
    let published = optional.iter().filter(|scope| cx.may(scope)).chain(needed.iter());
    let scopes: BTreeSet<String> = published.map(|scope| (*scope).to_owned()).collect();
    cx.scopes = Arc::new(scopes);
    Ok(())
}

/// Routes that need a scope: `needs(READ, routes!(show))`.
pub fn needs(scope: &'static str, routes: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    needs_all(&[scope], &[], routes)
}

/// Routes that need several scopes, and others for some of what may be asked of them.
pub fn needs_all(
    needed: &[&'static str],
    optional: &'static [&'static str],
    routes: UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    let (schemas, mut paths, methods) = routes.layer(Extension(Scopes { needed: needed.into(), optional }));
    for item in paths.paths.values_mut() {
        let PathItem { get, post, put, patch, delete, .. } = item;
        for operation in [get, post, put, patch, delete].into_iter().flatten() {
            operation.security = Some(vec![SecurityRequirement::new(KEY, needed.iter().copied())]);
            if !optional.is_empty() {
                let extensions = operation.extensions.get_or_insert_default();
                extensions.insert(OPTIONAL_SCOPES.to_owned(), serde_json::json!(optional));
            }
        }
    }
    (schemas, paths, methods)
}
