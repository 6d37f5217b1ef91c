//! Following the feed, for as long as there is somebody to tell.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;
use tokio::time::{Instant, sleep, timeout};

use super::ask::{AskError, begin, open, request};
use super::verify::{Door, Shared};
use crate::outbound::Answer;
use crate::token::{News, new_id};

/// Between two attempts: the first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Longest wait for a connection and the head of the answer.
const CONNECTING: Duration = Duration::from_secs(3);
/// Longest conversation: after it the clocks of the two are compared anew, which differ by a tenth of
/// a second an hour.
const CONVERSATION: Duration = Duration::from_secs(60 * 60);
/// Longest line, in bytes: a thousand users.
const LONGEST_LINE: usize = 64 * 1024;
/// How often keys are looked after; nothing is fetched more often than every few seconds.
const LOOK: Duration = Duration::from_secs(1);

/// Fetches the keys, and fetches them again before they are old. Never ends.
pub(super) async fn tend(shared: Arc<Shared>) {
    loop {
        shared.keys.tend(shared.clock.now());
        sleep(LOOK).await;
    }
}

/// Follows the feed, if there is one, and begins anew where it breaks off. Never ends.
pub(super) async fn follow(shared: Arc<Shared>) {
    let Some(door) = &shared.door else { return std::future::pending().await };
    let (mut pause, mut failing, mut name) = (FIRST_PAUSE, false, None);
    loop {
        let mut heard = false;
        let Err(error) = listen(&shared, door, &mut name, &mut heard).await else { continue };
        pause = if heard { FIRST_PAUSE } else { LONGEST_PAUSE.min(pause.saturating_mul(2)) };
        tell(&error, failing && !heard);
        failing = !heard;
        sleep(pause).await;
    }
}

fn tell(error: &AskError, again: bool) {
    let error: &(dyn Error + 'static) = error;
    if again {
        tracing::debug!(error, "feed of the gateway still not heard");
    } else {
        tracing::warn!(error, "feed of the gateway broken off");
    }
}

/// Has a conversation until it has lasted for long.
async fn listen(
    shared: &Shared,
    door: &Door,
    name: &mut Option<String>,
    heard: &mut bool,
) -> Result<(), AskError> {
    let nonce = new_id()?;
    let name = match name {
        Some(name) => name,
        None => name.insert(new_id()?),
    };
    let target = {
        let known = shared.known();
        let (journal, place) = (&known.journal, known.place);
        format!("/v1/feed?nonce={nonce}&follower={name}&journal={journal}&place={place}")
    };
    let request = request(door, Method::GET, &target, Bytes::new())?;
    // The first word was made after this: it answers the nonce.
    let begun = Instant::now();
    let answered = timeout(CONNECTING, begin(shared, door, request)).await;
    let mut lines =
        Lines { answer: answered.unwrap_or(Err(AskError::Late))?, rest: BytesMut::new() };
    let mut first: Option<(String, u64)> = None;
    while begun.elapsed() < CONVERSATION {
        let line = timeout(door.patience, lines.next()).await;
        let line = line.unwrap_or(Err(AskError::Late))?;
        let news: News = open(shared, &line).await.ok_or(AskError::Forged)?;
        let is_ours = news.nonce.as_ref().is_none_or(|said| *said == nonce);
        let (journal, age) = match &first {
            Some(first) if is_ours => first,
            None if is_ours && news.nonce.is_some() => {
                first.insert((news.journal.clone(), news.age))
            }
            Some(_) | None => return Err(AskError::Forged),
        };
        if news.journal != *journal {
            return Err(AskError::Forged);
        }
        let made = begun + Duration::from_millis(news.age.saturating_sub(*age));
        // Whoever holds words back makes them no younger.
        if made.elapsed() > door.patience {
            return Err(AskError::Late);
        }
        shared.hear(news, made.min(Instant::now()));
        *heard = true;
    }
    Ok(())
}

/// The lines of an answer.
struct Lines {
    answer: Answer,
    rest: BytesMut,
}

impl Lines {
    /// The next one, without its end. Dropped while it waits, it loses nothing.
    async fn next(&mut self) -> Result<Bytes, AskError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let mut line = self.rest.split_to(end.saturating_add(1));
                line.truncate(end);
                return Ok(line.freeze());
            }
            if self.rest.len() > LONGEST_LINE {
                return Err(AskError::Forged);
            }
            match self.answer.next().await {
                Some(Ok(part)) => self.rest.extend_from_slice(&part),
                Some(Err(error)) => return Err(AskError::Body(error.into())),
                None => return Err(AskError::Ended),
            }
        }
    }
}
