//! Mail: at most once, whatever fails and whenever.

use super::fake::{FakeHandOvers, FakeMailer, Fault};
use super::*;

fn message() -> Message {
    Message {
        id: Uuid::from_u128(7),
        to: "jane@example.com".into(),
        language: Language::En,
        subject: "Hello".into(),
        text: "Hello.".into(),
        html: "<p>Hello.</p>".into(),
    }
}

#[tokio::test]
async fn is_handed_over_once_however_often_it_is_asked() {
    let (mailer, notes) = (FakeMailer::default(), FakeHandOvers::default());
    for _ in 0..3 {
        assert_eq!(hand_over_once(&mailer, &notes, &message()).await, Ok(Delivery::HandedOver));
    }
    assert_eq!(mailer.arrived(), [message()]);
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_again() {
    for (fault, arrived) in [(Fault::LoseReply, 1), (Fault::LoseMessage, 0)] {
        let (mailer, notes) = (FakeMailer::default(), FakeHandOvers::default());
        mailer.script([Some(fault)]);
        for _ in 0..3 {
            assert_eq!(hand_over_once(&mailer, &notes, &message()).await, Ok(Delivery::Unknown));
        }
        assert_eq!(mailer.arrived().len(), arrived);
    }
}

#[tokio::test]
async fn who_ended_between_the_two_notes_leaves_it_unknown() {
    let (mailer, notes) = (FakeMailer::default(), FakeHandOvers::default());
    assert_eq!(notes.begin(message().id).await, Ok(Noted::Begun));
    mailer.hand_over(&message()).await.unwrap();
    // Here the process is killed; the next one asks again.
    for _ in 0..2 {
        assert_eq!(hand_over_once(&mailer, &notes, &message()).await, Ok(Delivery::Unknown));
    }
    assert_eq!(mailer.arrived().len(), 1);
}

#[tokio::test]
async fn what_was_surely_not_taken_is_tried_again() {
    let (mailer, notes) = (FakeMailer::default(), FakeHandOvers::default());
    mailer.script([Some(Fault::Down), Some(Fault::Down)]);
    for _ in 0..2 {
        assert!(hand_over_once(&mailer, &notes, &message()).await.is_err());
    }
    assert_eq!(hand_over_once(&mailer, &notes, &message()).await, Ok(Delivery::HandedOver));
    assert_eq!(mailer.arrived().len(), 1);
}

#[tokio::test]
async fn what_is_refused_stays_refused() {
    let (mailer, notes) = (FakeMailer::default(), FakeHandOvers::default());
    mailer.script([Some(Fault::Refuse)]);
    for _ in 0..2 {
        assert_eq!(hand_over_once(&mailer, &notes, &message()).await, Ok(Delivery::Rejected));
    }
    assert!(mailer.arrived().is_empty());
}

#[tokio::test]
async fn nothing_is_sent_that_cannot_be_noted() {
    let (mailer, notes) = (FakeMailer::default(), FakeHandOvers::default());
    notes.set_away(true);
    assert!(hand_over_once(&mailer, &notes, &message()).await.is_err());
    assert!(mailer.arrived().is_empty());
}

#[test]
fn a_message_shows_nothing_of_itself_in_a_log() {
    let shown = format!("{:?}", message());
    assert!(!shown.contains("jane") && !shown.contains("Hello"), "{shown}");
}
