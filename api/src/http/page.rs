//! Pages: lists in pieces.
//!
//! A cursor is opaque and signed; it belongs to one list of one workspace, with the filters it was made under.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::WorkspaceId;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use projections::{After, Seen};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::{IntoParams, ToSchema};

use crate::answer::Shown;
use crate::problem::{Problem, Result};

/// How many items a page has if nothing else is asked for.
const USUAL: u8 = 50;
/// The bytes of a cursor's signature.
const SIGNATURE: usize = 16;

/// One piece of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// What to ask the next page with; not there on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of rows that were asked for with one more than the limit: the last one says that there is more.
    pub fn cut(mut rows: Vec<T>, paging: &Paging, cursor: impl FnOnce(&T) -> String) -> Self {
        let limit = paging.limit();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        Self { items: rows, next_cursor }
    }
}

impl<R> Page<R> {
    /// A page as a read model answered it.
    pub fn shown(seen: Seen<projections::Page<R>>, cursor: impl FnOnce(&After) -> String) -> Shown<Self> {
        let Seen { position, value: projections::Page { rows, next } } = seen;
        let body = Self { items: rows, next_cursor: next.as_ref().map(cursor) };
        Shown { position, version: None, body }
    }
}

/// Which piece of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// How many items at most (50 if not said).
    #[param(required = false, nullable = false, minimum = 1, maximum = 200)]
    limit: Option<u8>,
    /// The `next_cursor` of the page before.
    #[param(required = false, nullable = false, pattern = "^[A-Za-z0-9_-]{22,1024}$")]
    cursor: Option<String>,
}

impl Paging {
    #[must_use]
    pub fn limit(&self) -> usize {
        usize::from(self.limit.unwrap_or(USUAL))
    }

    /// What to ask the database for: one more than the page has.
    #[must_use]
    pub fn rows(&self) -> i64 {
        i64::from(self.limit.unwrap_or(USUAL)) + 1
    }

    /// Where the page begins, if not at the list's beginning.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub fn after<P: DeserializeOwned>(&self, cursors: &Cursors, list: &ListId<'_>) -> Result<Option<P>> {
        self.cursor.as_deref().map(|cursor| cursors.open(list, cursor)).transpose()
    }
}

/// Which list a cursor belongs to.
#[derive(Debug, Clone, Copy)]
pub struct ListId<'a> {
    pub workspace: WorkspaceId,
    /// The list's name, e.g. `order`.
    pub name: &'a str,
    /// What it is filtered by, in one form for one meaning.
    pub filter: &'a str,
}

/// Makes and reads cursors.
#[derive(Clone)]
pub struct Cursors(Hmac<Sha256>);

impl Cursors {
    /// With a key that outlives restarts, or cursors do not.
    #[must_use]
    pub fn signed_with(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    fn signature(&self, list: &ListId<'_>, place: &[u8]) -> Hmac<Sha256> {
        let mut hmac = self.0.clone();
        for part in [list.workspace.uuid().as_bytes(), list.name.as_bytes(), list.filter.as_bytes(), place] {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part);
        }
        hmac
    }

    /// A cursor for a place in a list.
    ///
    /// # Panics
    /// If the place is not to be written as JSON.
    #[must_use]
    pub fn seal(&self, list: &ListId<'_>, place: &impl Serialize) -> String {
        let place = serde_json::to_vec(place).expect("a place in a list is JSON");
        let mut sealed = self.signature(list, &place).finalize().into_bytes()[..SIGNATURE].to_vec();
        sealed.extend(place);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The place a cursor stands for.
    ///
    /// # Errors
    /// `cursor-invalid` if it was not made here for this list.
    pub fn open<P: DeserializeOwned>(&self, list: &ListId<'_>, cursor: &str) -> Result<P> {
        self.place(list, cursor).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "cursor-invalid")
                .saying("this cursor was not given out for this list; begin again without one")
        })
    }

    fn place<P: DeserializeOwned>(&self, list: &ListId<'_>, cursor: &str) -> Option<P> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (signature, place) = sealed.split_at_checked(SIGNATURE)?;
        self.signature(list, place).verify_truncated_left(signature).ok()?;
        serde_json::from_slice(place).ok()
    }
}

/// Never its key.
impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursors")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn list(workspace: u128, name: &'static str, filter: &'static str) -> ListId<'static> {
        ListId { workspace: WorkspaceId::from_uuid(Uuid::from_u128(workspace)), name, filter }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursors = Cursors::signed_with(&[1; 32]);
        let orders = list(1, "order", "status=paid");
        let cursor = cursors.seal(&orders, &("ord_1", 7));
        assert_eq!(cursors.open::<(String, i64)>(&orders, &cursor), Ok(("ord_1".into(), 7)));
        for other in [list(2, "order", "status=paid"), list(1, "refund", "status=paid"), list(1, "order", "")]
        {
            assert_eq!(cursors.open::<(String, i64)>(&other, &cursor).unwrap_err().code, "cursor-invalid");
        }
        let others = Cursors::signed_with(&[2; 32]);
        assert!(others.open::<(String, i64)>(&orders, &cursor).is_err());
    }

    #[test]
    fn a_cursor_with_one_character_changed_is_no_cursor() {
        let (cursors, orders) = (Cursors::signed_with(&[1; 32]), list(1, "order", ""));
        let cursor = cursors.seal(&orders, &7);
        for n in 0..cursor.len() - 1 {
            let other = if cursor.as_bytes()[n] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &cursor[..n], &cursor[n + 1..]);
            assert!(cursors.open::<i64>(&orders, &changed).is_err(), "{n}");
        }
        for cursor in ["", "A", "é", "AAAA", &"A".repeat(100)] {
            assert!(cursors.open::<i64>(&orders, cursor).is_err());
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let paging = Paging { limit: Some(2), cursor: None };
        let page = |rows: Vec<i32>| Page::cut(rows, &paging, ToString::to_string);
        assert_eq!(page(vec![1, 2, 3]), Page { items: vec![1, 2], next_cursor: Some("2".into()) });
        assert_eq!(page(vec![1, 2]), Page { items: vec![1, 2], next_cursor: None });
        assert_eq!(page(vec![]), Page { items: vec![], next_cursor: None });
    }
}
