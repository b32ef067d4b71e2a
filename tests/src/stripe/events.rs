//! Events: what is told unasked, in the order in which it is sent.

use serde_json::{Value, json};

use super::world::World;

impl World {
    /// Something happened to an object: it is told as it is now, and may be told otherwise later.
    pub(super) fn tell(&mut self, kind: &str, object: &Value) {
        self.told += 1;
        let mut object = object.clone();
        // What an event says of an amount is a hint at best.
        if self.draw("lie in event", &object) < self.hostility.lie {
            object["amount"] = json!(1);
        }
        let id = format!("evt_{}", self.told);
        self.outbox.push(json!({
            "id": id, "object": "event", "type": kind, "api_version": "2026-08-26.dahlia", "created": 1_767_225_600,
            "livemode": false, "pending_webhooks": 1, "data": {"object": object},
        }));
    }

    pub(super) fn events_now(&mut self) -> Vec<Vec<u8>> {
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for event in std::mem::take(&mut self.outbox) {
            let object = &event["data"]["object"];
            let never = self.draw("never", object) < self.hostility.never;
            let double = self.draw("double", object) < self.hostility.double;
            let late = self.draw("late", object) < self.hostility.late;
            let times = if never { 0 } else { 1 + usize::from(double) };
            let bodies = std::iter::repeat_n(event.to_string().into_bytes(), times);
            if late { later.extend(bodies) } else { now.extend(bodies) }
        }
        later.reverse();
        now.into_iter().chain(later).collect()
    }
}
