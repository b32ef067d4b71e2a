//! Examples: events in, row out, for the tests of views.

use std::collections::BTreeMap;

use domain::kernel::Recorded;

use crate::view::View;

/// The row of a key after these events, each numbered along its own stream.
pub fn row<V: View>(key: &str, events: impl IntoIterator<Item = Recorded>) -> Option<V::Row> {
    let mut versions = BTreeMap::new();
    events.into_iter().fold(None, |row, event| {
        let version = versions.entry(event.id.clone()).and_modify(|version| *version += 1).or_insert(1);
        let event = event.numbered(*version);
        let touched = V::touches(&event).expect("the event can be read").0;
        match touched.iter().find(|row| row.key == key) {
            Some(key) => V::fold(key, row, &event).expect("the event can be folded"),
            None => row,
        }
    })
}

/// All rows after these events, in the order of their keys.
pub fn rows<V: View>(events: impl IntoIterator<Item = Recorded>) -> Vec<V::Row> {
    let mut rows = BTreeMap::new();
    for event in events {
        for of in V::touches(&event).expect("the event can be read").0 {
            let row = rows.remove(&of.key);
            let row = V::fold(&of, row, &event).expect("the event can be folded");
            rows.extend(row.map(|row| (of.key, row)));
        }
    }
    rows.into_values().collect()
}
