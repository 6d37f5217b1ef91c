//! Users, page by page: all of them, or those that an operator looks for.

use std::time::Duration;

use tokio::time::Instant;

use super::Door;
use super::users::PAGE;
use crate::admin::{Refusal, Reply, UserFilter, UserView};
use crate::identity::UserId;
use crate::store::User;

/// How long users are looked at for one reply. Whoever asks goes on where that ended.
const SEARCHING: Duration = Duration::from_millis(250);

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
            self.search(after, limit, filter, SEARCHING).await?
        };
        let users = users.into_iter().map(UserView::from).collect();
        Ok(Reply::Users { users, next: next.map(|id| id.0) })
    }

    /// At most `limit` of the users that are looked for, and after whom to go on; they may be
    /// fewer, or none, where the time was over.
    async fn search(
        &self,
        after: Option<UserId>,
        limit: usize,
        filter: UserFilter,
        time: Duration,
    ) -> Result<(Vec<User>, Option<UserId>), Refusal> {
        let (until, now) = (Instant::now() + time, self.clock.now());
        // Found by the name's index: on the first page, and on no other.
        let named = self.accounts.find(filter.text.trim()).await?;
        let filter = filter.folded();
        let named = named.filter(|user| filter.takes(user, now));
        let first = named.as_ref().map(|user| user.id);
        let mut found: Vec<_> = named.into_iter().filter(|_| after.is_none()).collect();
        let mut last = after;
        loop {
            let users = self.accounts.list(last, PAGE).await?;
            let is_end = users.len() < PAGE;
            for user in users {
                if found.len() == limit {
                    // Ids begin at 1: whoever was found by name alone is no place to go on from.
                    return Ok((found, last.or(Some(UserId(0)))));
                }
                last = Some(user.id);
                if first != last && filter.takes(&user, now) {
                    found.push(user);
                }
            }
            if is_end {
                return Ok((found, None));
            }
            if found.len() == limit || Instant::now() >= until {
                return Ok((found, last));
            }
        }
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
            let (found, next) = door.search(after, 2, filter.clone(), time).await.unwrap();
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
