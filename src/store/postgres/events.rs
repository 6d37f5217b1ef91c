//! Events: written with each change that memories have to hear of, read by every gateway.
//!
//! Rows become visible in another order than they were written in: a transaction that is long may
//! may commit after one that began later. So nobody goes on behind the last row that was seen. Each look
//! reads again all of [`WINDOW`] before the last one, and passes over what it knows. Whoever is woken in
//! between glances: it reads again all of [`GLANCE`], which has what it was woken for unless the commit was
//! slow, and then the next look has it. Nothing is missed
//! as long as no row becomes visible later than that after it was written; the rows of a change are
//! written by the very message that commits it, and the database gives that message [`COMMIT`] to be
//! carried out. The rest is for clocks of several servers that differ, and for a disk that hesitates.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::time::Duration;

use super::conn::Conn;
use super::failure::Failure;
use super::rows::{From, number};
use crate::identity::UserId;
use crate::store::{StoreError, StoreEvent};

/// How far behind the last look the next one reads.
pub(super) const WINDOW: Duration = Duration::from_secs(20);

/// How far behind the last look or glance the next glance reads.
pub(super) const GLANCE: Duration = Duration::from_millis(500);

/// How long the database works on events and their commit at most.
const COMMIT: Duration = Duration::from_secs(10);

/// How long events are kept. Whoever has not looked for so long has missed some.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// How long a gateway lives that is not heard of.
const ALIVE: Duration = Duration::from_secs(20);

/// Users that one change tells of by their names at most; where there are more it is everybody.
const MOST: usize = 512;

/// Rows that one statement of a sweep removes at most.
const SWEEP_STEP: i64 = 4096;

const USER: i16 = 1;
const EVERYBODY: i16 = 2;
const KEYS: i16 = 3;

/// The database's time, in milliseconds since 1970, while the statement runs.
macro_rules! written_at {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

/// The same when the transaction began: never after what a look sees.
macro_rules! looked_at {
    () => {
        "(extract(epoch FROM now()) * 1000)::bigint"
    };
}

fn millis(duration: Duration) -> i64 {
    number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// What limits the commit that comes right behind it.
pub(super) fn limit() -> String {
    format!("SET LOCAL statement_timeout = {}", COMMIT.as_millis())
}

/// The statement that stores events and commits: in one message, so that nothing comes between.
pub(super) fn commit(events: &BTreeSet<StoreEvent>) -> Result<String, Failure> {
    let many = events.len() > MOST || events.contains(&StoreEvent::Everybody);
    let mut events = events.clone();
    if many {
        events.retain(|event| !matches!(event, StoreEvent::User(_)));
        events.insert(StoreEvent::Everybody);
    }
    let mut sql = "INSERT INTO portcullis.events (id, at, kind, user_id) VALUES ".to_owned();
    for (count, event) in events.iter().enumerate() {
        let comma = if count == 0 { "" } else { ", " };
        let (id, at) = (draw()?, written_at!());
        let written = match event {
            StoreEvent::User(user) => {
                write!(sql, "{comma}({id}, {at}, {USER}, {})", number(user.0))
            }
            StoreEvent::Everybody => write!(sql, "{comma}({id}, {at}, {EVERYBODY}, NULL)"),
            StoreEvent::Keys => write!(sql, "{comma}({id}, {at}, {KEYS}, NULL)"),
        };
        // Writing to a text does not fail.
        written.unwrap_or_default();
    }
    sql.push_str("; COMMIT");
    Ok(sql)
}

/// A number that nobody else has drawn.
pub(super) fn draw() -> Result<i64, Failure> {
    let mut bits = [0; 8];
    let drawn = getrandom::fill(&mut bits);
    drawn.map_err(|error| StoreError::Unavailable(error.into()))?;
    Ok(i64::from_le_bytes(bits) & i64::MAX)
}

/// Up to where a look has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// By the database's clock.
    pub(super) at: i64,
    /// How long ago that is, by our own.
    pub(super) ago: Duration,
}

impl Mark {
    /// Where nothing was seen yet, but all has to be known of that time.
    pub(super) const fn ago(ago: Duration) -> Self {
        Self { at: i64::MAX, ago }
    }
}

/// What a look found.
#[derive(Debug)]
pub(super) struct Found {
    /// When it looked, by the database's clock.
    pub(super) at: i64,
    /// From where on it has everything.
    from: i64,
    /// When each row was written that was found, and what it says.
    rows: HashMap<i64, (i64, StoreEvent)>,
}

/// Reads what was written since that mark, and in the window before it. Where a clock was set back,
/// or another server has another one, our own says how long ago the last look was.
pub(super) async fn since(conn: &Conn, mark: Mark, window: Duration) -> Result<Found, Failure> {
    const LOOK: &str = concat!(
        "SELECT n.looked_at, LEAST($1, n.looked_at - $2) - $3 AS since, \
         e.id, e.at, e.kind, e.user_id FROM (SELECT ",
        looked_at!(),
        " AS looked_at) n LEFT JOIN portcullis.events e ON e.at > LEAST($1, n.looked_at - $2) - $3"
    );
    let rows = conn.rows(LOOK, &[&mark.at, &millis(mark.ago), &millis(window)]).await?;
    let first = rows.first().ok_or_else(|| {
        StoreError::Unavailable("the database has answered without its time".into())
    })?;
    let first = From::new("events", first);
    let (at, from) = (first.get("looked_at")?, first.get("since")?);
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let row = From::new("events", row);
        let Some(id) = row.get::<Option<i64>>("id")? else { continue };
        let event = match row.get::<i16>("kind")? {
            USER => StoreEvent::User(UserId(row.number("user_id")?)),
            KEYS => StoreEvent::Keys,
            // What a later version tells is not known here: who knows whom it is about.
            _ => StoreEvent::Everybody,
        };
        found.insert(id, (row.get("at")?, event));
    }
    Ok(Found { at, from, rows: found })
}

impl Found {
    /// What is new after an earlier look.
    pub(super) fn news(&self, earlier: Option<&Self>) -> Vec<StoreEvent> {
        let is_new = |id: &i64| earlier.is_none_or(|earlier| !earlier.rows.contains_key(id));
        let new: BTreeSet<StoreEvent> =
            self.rows.iter().filter(|(id, _)| is_new(id)).map(|(_, (_, event))| *event).collect();
        new.into_iter().collect()
    }

    /// Adds what a glance has found: it is known by the next look.
    pub(super) fn note(&mut self, glance: Self) {
        self.rows.extend(glance.rows);
    }

    /// Why this does not go on where that one ended, if it does not.
    pub(super) fn gap(&self, earlier: &Self, ago: Duration) -> Option<&'static str> {
        let away = u64::try_from(self.at.saturating_sub(earlier.at)).unwrap_or_default();
        if let Some(gap) = too_long(ago.max(Duration::from_millis(away))) {
            return Some(gap);
        }
        let is_there = |(id, (at, _)): (&i64, &(i64, StoreEvent))| {
            *at <= self.from || self.rows.contains_key(id)
        };
        let whole = earlier.rows.iter().all(is_there);
        (!whole).then_some("events are gone that were there: the database is an earlier one")
    }
}

/// Why nothing is known of what happened in that time, if it was too long.
pub(super) fn too_long(away: Duration) -> Option<&'static str> {
    let is_gone = away > KEPT.saturating_sub(WINDOW);
    is_gone.then_some("events of the meantime are not kept any more")
}

/// Says that a gateway lives; returns how often it has said so by now.
pub(super) async fn beat(conn: &Conn, gateway: i64) -> Result<i64, Failure> {
    const BEAT: &str = concat!(
        "INSERT INTO portcullis.gateways AS g (id, beats, seen) VALUES ($1, 1, ",
        looked_at!(),
        ") ON CONFLICT (id) DO UPDATE SET beats = g.beats + 1, seen = excluded.seen \
         RETURNING g.beats"
    );
    let row = conn.row(BEAT, &[&gateway]).await?;
    row.map_or(Ok(0), |row| From::new("gateways", &row).get("beats"))
}

/// How many gateways live.
pub(super) async fn alive(conn: &Conn) -> Result<u64, Failure> {
    const ALIVE_NOW: &str = concat!(
        "SELECT count(*) AS alive FROM portcullis.gateways WHERE seen > ",
        looked_at!(),
        " - $1"
    );
    let row = conn.row(ALIVE_NOW, &[&millis(ALIVE)]).await?;
    row.map_or(Ok(0), |row| From::new("gateways", &row).number("alive"))
}

/// Removes some of the events that nobody reads any more, and gateways that are long gone; whether there
/// may be others.
pub(super) async fn sweep(conn: &Conn) -> Result<bool, Failure> {
    const EVENTS: &str = concat!(
        "DELETE FROM portcullis.events WHERE id IN (SELECT id FROM portcullis.events WHERE at < ",
        looked_at!(),
        " - $1 ORDER BY at LIMIT $2)"
    );
    const GATEWAYS: &str =
        concat!("DELETE FROM portcullis.gateways WHERE seen < ", looked_at!(), " - $1");
    conn.execute(GATEWAYS, &[&millis(KEPT)]).await?;
    let gone = conn.execute(EVENTS, &[&millis(KEPT), &SWEEP_STEP]).await?;
    Ok(gone >= SWEEP_STEP.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(at: i64, from: i64, rows: &[(i64, i64, u64)]) -> Found {
        let rows = rows.iter().map(|(id, at, user)| (*id, (*at, StoreEvent::User(UserId(*user)))));
        Found { at, from, rows: rows.collect() }
    }

    #[test]
    fn what_was_known_is_no_news_and_what_commits_late_is() {
        let first = found(100, 80, &[(7, 90, 1)]);
        assert_eq!(first.news(None), [StoreEvent::User(UserId(1))]);
        let second = found(101, 81, &[(7, 90, 1), (3, 85, 2), (9, 101, 2)]);
        assert_eq!(second.news(Some(&first)), [StoreEvent::User(UserId(2))]);
        assert_eq!(second.gap(&first, Duration::ZERO), None);
    }

    #[test]
    fn what_a_glance_has_found_is_known_and_has_to_be_there_still() {
        let mut first = found(100, 80, &[(7, 90, 1)]);
        first.note(found(105, 99, &[(9, 104, 2)]));
        let second = found(110, 90, &[(7, 90, 1), (9, 104, 2), (3, 101, 4)]);
        assert_eq!(second.news(Some(&first)), [StoreEvent::User(UserId(4))]);
        assert_eq!(second.gap(&first, Duration::ZERO), None);
        assert!(found(110, 90, &[(7, 90, 1)]).gap(&first, Duration::ZERO).is_some());
    }

    #[test]
    fn what_is_gone_or_too_long_ago_is_a_gap() {
        let first = found(100, 80, &[(7, 90, 1)]);
        assert!(found(101, 81, &[]).gap(&first, Duration::ZERO).is_some());
        // It has only left the window.
        assert_eq!(found(111, 91, &[]).gap(&first, Duration::ZERO), None);
        assert!(found(111, 91, &[]).gap(&first, KEPT).is_some());
        let later = 100 + millis(KEPT);
        assert!(found(later, later - 20, &[]).gap(&first, Duration::ZERO).is_some());
    }

    #[test]
    fn events_and_the_commit_are_one_message() {
        let events = BTreeSet::from([StoreEvent::User(UserId(4)), StoreEvent::User(UserId(5))]);
        let sql = commit(&events).unwrap();
        assert!(sql.contains(", 1, 4), (") && sql.ends_with(", 1, 5); COMMIT"), "{sql}");
        let many = (0..=MOST as u64).map(|user| StoreEvent::User(UserId(user))).collect();
        let sql = commit(&many).unwrap();
        assert!(sql.ends_with(", 2, NULL); COMMIT") && sql.len() < 200, "{sql}");
    }
}
