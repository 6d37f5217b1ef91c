//! Users, page by page: all of them, or those that an operator looks for.

use std::time::Duration;

use tokio::time::Instant;

use super::Door;
use super::users::PAGE;
use crate::admin::{Refusal, Reply, UserFilter, UserView};
use crate::identity::UserId;
use crate::store::User;

/// How long users are looked at for one reply. Whoever asks goes on where that ended.
const SEARCHING: Duration = Duration::from_millis(150);

/// What a search came to.
struct Search {
    /// They may be fewer than asked for, or none, where the time was over.
    found: Vec<User>,
    /// After whom to go on; `None` at the end.
    next: Option<UserId>,
    /// How many were read.
    looked: usize,
}

impl Door {
    pub(super) async fn list(
        &self,
        after: Option<u64>,
        limit: usize,
        filter: UserFilter,
    ) -> Result<Reply, Refusal> {
        let limit = limit.clamp(1, PAGE);
        let after = after.map(UserId);
        let (users, next) = if filter.is_empty() {
            let users = self.accounts.list(after, limit).await?;
            let next = users.last().filter(|_| users.len() == limit).map(|user| user.id);
            (users, next)
        } else {
            let Search { found, next, looked } =
                self.search(after, limit, filter, SEARCHING).await?;
            tracing::debug!(looked, found = found.len(), "users were looked for");
            (found, next)
        };
        let users = users.into_iter().map(UserView::from).collect();
        Ok(Reply::Users { users, next: next.map(|id| id.0) })
    }

    /// At most `limit` of the users that are looked for. Of those that are looked at, no more than
    /// [`PAGE`] are held at a time.
    async fn search(
        &self,
        after: Option<UserId>,
        limit: usize,
        filter: UserFilter,
        time: Duration,
    ) -> Result<Search, Refusal> {
        let (until, now) = (Instant::now() + time, self.clock.now());
        // Found by the name's index: on the first page, and on no other.
        let named = self.accounts.find(filter.text.trim()).await?;
        let filter = filter.folded();
        let named = named.filter(|user| filter.takes(user, now));
        let first = named.as_ref().map(|user| user.id);
        let mut found: Vec<_> = named.into_iter().filter(|_| after.is_none()).collect();
        let (mut last, mut looked) = (after, 0);
        let next = loop {
            let users = self.accounts.list(last, PAGE).await?;
            let is_end = users.len() < PAGE;
            looked += users.len();
            let mut users = users.into_iter();
            while found.len() < limit
                && let Some(user) = users.next()
            {
                last = Some(user.id);
                if first != last && filter.takes(&user, now) {
                    found.push(user);
                }
            }
            if is_end && users.as_slice().is_empty() {
                break None;
            }
            if found.len() == limit || Instant::now() >= until {
                // Ids begin at 1: whoever was found by name alone is no place to go on from.
                break last.or(Some(UserId(0)));
            }
        };
        Ok(Search { found, next, looked })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::door;
    use super::*;
    use crate::admin::Command;

    const MANY: usize = 2 * PAGE + 10;

    async fn people(door: &Door) {
        for number in 0..MANY {
            let roles = if number % 400 == 0 { vec!["rare".to_owned()] } else { Vec::new() };
            let email = format!("Number{number}@Example.com");
            let name = format!("user-{number}");
            let add = Command::UserAdd { name, email, roles, password: None, force: false };
            door.run(add).await.unwrap();
        }
    }

    /// All that are found, page by page, and how many pages that took.
    async fn all(door: &Door, filter: &UserFilter, time: Duration) -> (Vec<String>, usize) {
        let (mut names, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let search = door.search(after, 2, filter.clone(), time).await.unwrap();
            let Search { found, next, .. } = search;
            assert!(found.len() <= 2);
            names.extend(found.into_iter().map(|user| user.username));
            pages += 1;
            let Some(next) = next else { return (names, pages) };
            assert!(after < Some(next), "it goes on");
            after = Some(next);
        }
    }

    #[tokio::test]
    async fn a_search_finds_everybody_once_however_little_time_it_has() {
        let door = door();
        people(&door).await;
        let filter = |text: &str, role: &str| UserFilter {
            text: text.to_owned(),
            role: role.to_owned(),
            ..UserFilter::default()
        };
        for (filter, names) in [
            (filter("", "rare"), &["user-0", "user-400", "user-800"][..]),
            (filter(" NUMBER800@", ""), &["user-800"]),
            // Who has just that name is the first, and no second.
            (filter("user-100", ""), &["user-100", "user-1000", "user-1001", "user-1002"]),
            (filter("user-800", "rare"), &["user-800"]),
            (filter("user-801", "rare"), &[]),
        ] {
            let (found, _) = all(&door, &filter, SEARCHING * 100).await;
            let begin: Vec<_> = found.iter().take(names.len()).map(String::as_str).collect();
            assert_eq!(begin, names, "{filter:?}");
            assert_eq!(names.is_empty(), found.is_empty(), "{filter:?}");
            let (slowly, pages) = all(&door, &filter, Duration::ZERO).await;
            assert_eq!(slowly, found, "{filter:?}");
            assert!(pages > 2, "{filter:?}: {pages}");
        }
    }

    #[tokio::test]
    async fn no_more_users_are_looked_at_than_it_takes() {
        let door = door();
        people(&door).await;
        let looked = async |after: Option<u64>, text: &str, time: Duration| {
            let filter = UserFilter { text: text.to_owned(), ..UserFilter::default() };
            let search = door.search(after.map(UserId), 50, filter, time).await.unwrap();
            (search.looked, search.found.len())
        };
        let long = SEARCHING * 100;
        // What many have takes no more than are read at once, wherever one is.
        assert_eq!(looked(None, "USER-", long).await, (PAGE, 50));
        assert_eq!(looked(Some(500), "user-", long).await, (PAGE, 50));
        // What few have takes each user once.
        assert_eq!(looked(None, "number77@", long).await, (MANY, 1));
        assert_eq!(looked(None, "nobody", long).await, (MANY, 0));
        assert_eq!(looked(Some(900), "nobody", long).await, (MANY - 900, 0));
        // And where the time is over, no more than are read at once, either.
        assert_eq!(looked(None, "nobody", Duration::ZERO).await, (PAGE, 0));
    }

    #[tokio::test]
    async fn everybody_is_listed_in_pages() {
        let door = door();
        people(&door).await;
        let Reply::Users { users, next } =
            door.list(None, 50, UserFilter::default()).await.unwrap()
        else {
            panic!("no users");
        };
        assert_eq!((users.len(), next), (50, Some(50)));
    }
}
