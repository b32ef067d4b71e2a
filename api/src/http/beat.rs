//! Beat: answers that must not tell anything by their time are given on a beat, whatever they took.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How long a beat is: longer than what is answered on it takes.
pub const BEAT: Duration = Duration::from_millis(250);

/// Does something, and answers at the end of the beat in which it is done.
pub async fn on_a_beat<T>(beat: Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    end_of_beat(began, beat).await;
    done
}

/// The same, but what succeeds is answered at once: that it did is no secret.
pub async fn fails_on_a_beat<T, E>(beat: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let began = Instant::now();
    let done = work.await;
    if done.is_err() {
        end_of_beat(began, beat).await;
    }
    done
}

async fn end_of_beat(began: Instant, beat: Duration) {
    let beats = began.elapsed().as_nanos() / beat.as_nanos().max(1) + 1;
    sleep_until(began + beat * u32::try_from(beats).unwrap_or(u32::MAX)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_longer_ends_with_a_later_beat() {
        let beat = Duration::from_millis(40);
        for (takes, beats) in [(0, 1), (10, 1), (50, 2)] {
            let began = Instant::now();
            on_a_beat(beat, tokio::time::sleep(Duration::from_millis(takes))).await;
            assert!(began.elapsed() >= beat * beats, "{takes}");
        }
        let began = Instant::now();
        fails_on_a_beat(beat, async { Err::<(), ()>(()) }).await.unwrap_err();
        assert!(began.elapsed() >= beat);
    }
}
