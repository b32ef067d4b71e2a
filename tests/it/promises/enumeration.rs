//! Whether an address has an account is told by no answer, nor by the time that it takes.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};
use tests::app::TestApp;
use tests::people::{sign_up, visitor};

const JANE: &str = "jane@example.com";
/// Of each sort.
const TRIES: usize = 250;
/// Of each sort at one time.
const AT_ONCE: usize = 5;
/// Longer than what is answered on it takes also where much else is done.
const BEAT: Duration = Duration::from_millis(150);

/// How long it takes to be answered, of somebody known and of somebody unknown at one time.
async fn times(app: &TestApp, path: &str, body: &Value) -> (Vec<Duration>, Vec<Duration>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in (0..TRIES).step_by(AT_ONCE) {
        // So that nobody has tried too often.
        app.clock.advance(TimeDelta::minutes(20));
        let asked = (0..2 * AT_ONCE).map(async |lane| {
            let is_known = (n + lane).is_multiple_of(2);
            let mut body = body.clone();
            body["email"] =
                if is_known { JANE.into() } else { format!("nobody{n}.{lane}@example.com").into() };
            let client = visitor(app);
            let began = Instant::now();
            let answer = client.post(path, body).await;
            (is_known, began.elapsed(), answer.status)
        });
        let answers = join_all(asked).await;
        for (is_known, took, status) in &answers {
            assert_eq!(*status, answers[0].2);
            if *is_known { known.push(*took) } else { unknown.push(*took) }
        }
    }
    (known, unknown)
}

/// By how many standard deviations one sample is greater than another (Mann and Whitney).
fn apart(one: &[Duration], other: &[Duration]) -> f64 {
    let greater = one.iter().map(|mine| other.iter().filter(|theirs| mine > *theirs).count()).sum::<usize>();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let (mean, variance) = (n * m / 2.0, n * m * (n + m + 1.0) / 12.0);
    (greater as f64 - mean) / variance.sqrt()
}

#[tokio::test]
async fn no_answer_tells_by_its_time_whether_an_address_has_an_account() {
    let app = TestApp::with_people_on(BEAT).await;
    sign_up(&app, JANE).await;
    for (path, body) in [
        ("/api/auth/sign-in", json!({"password": "not the right one"})),
        ("/api/auth/register", json!({})),
        ("/api/auth/forgotten", json!({})),
    ] {
        let (known, unknown) = times(&app, path, &body).await;
        let apart = apart(&known, &unknown);
        println!("{path}: {apart:.2} standard deviations apart");
        // By chance once in some 15,000 runs.
        assert!(apart.abs() < 4.0, "{path}: {apart}");
    }
}
