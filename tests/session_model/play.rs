//! A schedule, played in the world and in the model at once.
//!
//! Where the store fails it is not known what was done, and where several ask at one instant not in which
//! order: then there are several models, and those go that do not fit what is seen next.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis::clock::{Clock, Timestamp};
use portcullis::identity::{SessionId, UserId};
use portcullis::rooms::audit::Kind;
use portcullis::{NewAccount, Registered};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::ask::{Got, Name};
use crate::model::{ACCESS, Answer, Model, Op, Token, User, whole};
use crate::schedule::{Ask, Down, Step};
use crate::world::World;

type Outcome = Result<(), TestCaseError>;

pub(crate) struct Play {
    world: World,
    users: Vec<UserId>,
    models: Vec<Model>,
    /// The refresh tokens that somebody has, in the order in which they came.
    tokens: Vec<(Token, String)>,
    families: BTreeMap<usize, Logged>,
}

/// What is known of a family from outside.
struct Logged {
    user: usize,
    session: SessionId,
    /// Its newest access token, and when that dies.
    access: (String, Timestamp),
}

impl Play {
    pub(crate) async fn begin() -> Self {
        let world = World::new();
        let mut users = Vec::new();
        for name in ["ada", "bob"] {
            let account = NewAccount {
                username: name.to_owned(),
                email: String::new(),
                password: None,
                roles: Vec::new(),
            };
            let made = world.gateway.accounts.create(account).await.unwrap();
            let Registered::Created(user) = made else { unreachable!("the store is empty") };
            users.push(user.id);
        }
        let there = User { active: true, deleted: false };
        let model = Model {
            rotation: true,
            grace: Duration::from_secs(10),
            users: vec![there; users.len()],
            families: BTreeMap::new(),
            reuses: 0,
        };
        Self { world, users, models: vec![model], tokens: Vec::new(), families: BTreeMap::new() }
    }

    pub(crate) async fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Ask(ask) => self.together(&[*ask]).await?,
            Step::Together(asks) => self.together(asks).await?,
            Step::OnBadDisk(ask, good, down) => {
                self.world.disk.fail_after(*good);
                self.together(&[*ask]).await?;
                self.crash(*down);
            }
            Step::Crash(down) => self.crash(*down),
            Step::Forge(which) => self.forge(*which).await?,
            Step::Reload { rotation, grace } => {
                self.world.reload(*rotation, *grace);
                for model in &mut self.models {
                    (model.rotation, model.grace) = (*rotation, *grace);
                }
            }
            Step::Wait(time) => self.world.clock.advance(*time),
            Step::Sweep => drop(self.world.gateway.sessions.sweep().await.unwrap()),
        }
        self.look().await
    }

    /// All that is seen from outside, as it has to be in one of the models, and not in the others.
    async fn look(&mut self) -> Outcome {
        let (now, gateway) = (self.world.clock.now(), &self.world.gateway);
        for (number, Logged { access: (token, expires), .. }) in &self.families {
            let (said, _) = gateway.access(token).await;
            self.models.retain(|model| model.access(*number, *expires, now) == said);
            prop_assert!(!self.models.is_empty(), "an access token of family {number}: {said}");
        }
        for (user, id) in self.users.iter().enumerate() {
            let living = gateway.living(*id).await;
            let own = self.families.iter().filter(|(_, family)| family.user == user);
            let own: Vec<_> = own.rev().map(|(number, family)| (*number, family.session)).collect();
            // A login whose answer was lost is nobody's: none of the tokens is known.
            let living: Vec<_> =
                living.into_iter().filter(|id| own.iter().any(|(_, own)| own == id)).collect();
            self.models.retain(|model| {
                let lives = own.iter().filter(|(number, _)| model.lives(*number, now));
                lives.map(|(_, session)| *session).eq(living.iter().copied())
            });
            prop_assert!(!self.models.is_empty(), "the list of user {user}: {living:?}");
        }
        let reuses = self.world.audit.counts()[Kind::TokenReused.as_str()];
        self.models.retain(|model| model.reuses == reuses);
        prop_assert!(!self.models.is_empty(), "{reuses} reuses are in the audit record");
        Ok(())
    }

    fn crash(&mut self, down: Down) {
        let Model { rotation, grace, .. } = self.models[0];
        self.world.crash(down, rotation, grace);
    }

    async fn forge(&self, which: usize) -> Outcome {
        let Some((_, genuine)) = newest(&self.tokens, which) else { return Ok(()) };
        let (signed, signature) = genuine.rsplit_once('.').unwrap();
        // A bit of the signature that counts: the last letter has some that do not.
        let other = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{signed}.{other}{}", signature.split_at(1).1);
        prop_assert!(self.world.gateway.is_forgery(&forged).await, "{forged}");
        Ok(())
    }

    /// Asks all of it at once, and lets the models stand that have all the answers in some order.
    async fn together(&mut self, asks: &[Ask]) -> Outcome {
        let mut ops = Vec::new();
        for ask in asks {
            ops.extend(self.op(*ask, ops.len()));
        }
        let now = self.world.clock.now();
        let mut asked = Vec::new();
        for op in &ops {
            let (gateway, op, name) = (self.world.gateway.clone(), op.clone(), self.name(op));
            asked.push(tokio::spawn(async move { gateway.ask(&op, name, now).await }));
        }
        let mut answers = Vec::new();
        for (op, asked) in ops.iter().zip(asked) {
            let got = asked.await.unwrap();
            answers.push((op.clone(), got.answer.clone()));
            self.learn(op, got, now).await?;
        }
        let before = std::mem::take(&mut self.models);
        for model in &before {
            for after in orders(model, &answers, now) {
                if !self.models.contains(&after) {
                    self.models.push(after);
                }
            }
        }
        prop_assert!(!self.models.is_empty(), "{answers:?} of {before:#?}");
        Ok(())
    }

    /// What is asked, of what there is now; `None` where there is nothing.
    fn op(&self, ask: Ask, nth: usize) -> Option<Op> {
        let token = |which| newest(&self.tokens, which).map(|(token, _)| *token);
        let known: Vec<usize> = self.families.keys().copied().collect();
        // Lost logins have numbers as well.
        let lost = self.models.iter().filter_map(|model| model.families.keys().last()).max();
        let next = lost.map_or(0, |last| last + 1) + nth;
        Some(match ask {
            Ask::LogIn(user) => Op::LogIn { user, family: next },
            Ask::Refresh(which) => Op::Refresh(token(which)?),
            Ask::Verify(which) => Op::Verify(token(which)?),
            Ask::Blacklist(which) => Op::Blacklist(token(which)?),
            Ask::LogOutBy(which) => Op::LogOutBy(token(which)?),
            Ask::EndSession(which) => Op::EndSession { family: *newest(&known, which)? },
            Ask::LogOutEverywhere(user) => Op::LogOutEverywhere { user },
            Ask::SetPassword(user) => Op::SetPassword { user },
            Ask::ChangePassword(user) => Op::ChangePassword { user, family: next },
            Ask::Activate(user, active) => Op::Activate { user, active },
            Ask::Delete(user) => Op::Delete { user },
        })
    }

    /// What the gateway knows that by which the model counts.
    fn name(&self, op: &Op) -> Name {
        match *op {
            Op::Refresh(token) | Op::Verify(token) | Op::Blacklist(token) | Op::LogOutBy(token) => {
                Name::Token(self.text(token).unwrap().to_owned())
            }
            Op::EndSession { family } => {
                let Logged { user, session, .. } = self.families[&family];
                Name::Session(self.users[user], session)
            }
            Op::LogIn { user, .. }
            | Op::LogOutEverywhere { user }
            | Op::SetPassword { user }
            | Op::ChangePassword { user, .. }
            | Op::Activate { user, .. }
            | Op::Delete { user } => Name::User(self.users[user]),
        }
    }

    fn text(&self, token: Token) -> Option<&str> {
        let found = self.tokens.iter().find(|(known, _)| *known == token);
        found.map(|(_, text)| text.as_str())
    }

    /// Keeps the tokens that somebody got. The place of a token is always the same token.
    async fn learn(&mut self, op: &Op, got: Got, now: Timestamp) -> Outcome {
        let token = if let Op::LogIn { family, .. } | Op::ChangePassword { family, .. } = *op {
            Token { family, place: 0 }
        } else if let Op::Refresh(Token { family, place }) = *op {
            Token { family, place: place + 1 }
        } else {
            return Ok(());
        };
        if let Some(text) = got.refresh {
            let same = self.tokens.iter().find(|(_, known)| *known == text);
            prop_assert!(same.is_none_or(|(known, _)| *known == token), "{token:?} is {same:?}");
            match self.text(token) {
                Some(known) => prop_assert_eq!(known, text, "another successor"),
                None => self.tokens.push((token, text)),
            }
        }
        let Some(access) = got.access else { return Ok(()) };
        let expires = whole(now).plus(ACCESS);
        if let Op::LogIn { user, .. } | Op::ChangePassword { user, .. } = *op {
            let session = self.world.gateway.living(self.users[user]).await[0];
            let logged = Logged { user, session, access: (access, expires) };
            self.families.insert(token.family, logged);
        } else if let Some(family) = self.families.get_mut(&token.family) {
            family.access = (access, expires);
        }
        Ok(())
    }
}

/// The models that are left after all of it was done in some order with those answers.
fn orders(model: &Model, answers: &[(Op, Answer)], now: Timestamp) -> Vec<Model> {
    if answers.is_empty() {
        return vec![model.clone()];
    }
    let mut found = Vec::new();
    for (first, (op, answer)) in answers.iter().enumerate() {
        let mut after = model.clone();
        let expected = after.answer(op, now);
        let mut rest = answers.to_vec();
        rest.remove(first);
        if *answer == Answer::Lost {
            // Nothing is recorded of what is not known to have happened.
            after.reuses = model.reuses;
            found.extend(orders(model, &rest, now));
        } else if *answer != expected {
            continue;
        }
        found.extend(orders(&after, &rest, now));
    }
    found
}

/// That one, counted from the end, and round again.
fn newest<T>(all: &[T], which: usize) -> Option<&T> {
    all.iter().rev().cycle().take(which + 1).last()
}
