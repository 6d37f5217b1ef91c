//! A store that counts its calls, fails when it is told to, and is changed by others in between.

use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::store::{
    Admission, Answered, ApiKey, Arrival, Claimed, Clashes, Commits, Confirmation, CopySink,
    Creation, EndReason, FactorChange, FactorProof, FactorStore, Factors, FirstCode, Group,
    GroupArrival, GroupChange, GroupStore, Invitation, InvitationArrival, InvitationStore,
    KeptInvitation, KeyAdded, KeyOwner, KeyStore, MailStore, MovingStore, NewInvitation, NewLetter,
    NewPasskey, NewSession, NewToken, NewTotp, NewUser, NewUserKey, Numbers, Offered, PasskeyAdded,
    PasswordHash, Posted, QueueLimits, RedbStore, Redeemed, Rotation, RotationRequest, Session,
    SessionRef, Standing, Store, StoreError, Terms, TokenRef, Trial, User, UserChange, UserKey,
    WholeUser,
};

#[derive(Debug)]
pub(crate) struct Counting {
    inner: RedbStore,
    calls: AtomicUsize,
    failure: Mutex<Option<fn() -> StoreError>>,
    others: Mutex<Option<Others>>,
}

/// What somebody else does just before the call of that number.
struct Others {
    call: usize,
    act: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Others").field("call", &self.call).finish_non_exhaustive()
    }
}

impl Counting {
    pub(super) fn new(inner: RedbStore) -> Self {
        let (failure, others) = (Mutex::default(), Mutex::default());
        Self { inner, calls: AtomicUsize::new(0), failure, others }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self) {
        self.fail_with(|| StoreError::Unavailable("told to fail".into()));
    }

    pub(super) fn fail_with(&self, failure: fn() -> StoreError) {
        *self.failure.lock().unwrap() = Some(failure);
    }

    /// Has somebody else do that just before the call of that number, counted from now on.
    pub(super) fn before(&self, call: usize, act: impl Future<Output = ()> + Send + 'static) {
        let call = self.calls() + call;
        *self.others.lock().unwrap() = Some(Others { call, act: Box::pin(act) });
    }

    pub(super) const fn inner(&self) -> &RedbStore {
        &self.inner
    }

    async fn counted(&self) -> Result<&RedbStore, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let others = self.others.lock().unwrap().take_if(|others| others.call == call);
        if let Some(others) = others {
            others.act.await;
        }
        let failure = *self.failure.lock().unwrap();
        failure.map_or(Ok(&self.inner), |failure| Err(failure()))
    }
}

/// Counts, then hands over.
macro_rules! delegate {
    ($trait:ident $({ $($more:tt)* })?: $($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl $trait for Counting {
            $($($more)*)?
            $(async fn $name(&self, $($arg: $type),*) -> Result<$out, StoreError> {
                self.counted().await?.$name($($arg),*).await
            })*
        }
    };
}

delegate! {
    Store { fn commits(&self) -> Option<&Commits> { self.inner.commits() } }:
    create_user(user: NewUser) -> Creation;
    admit_user(user: NewUser, terms: Terms) -> Admission;
    clashes(username: &str, email: &str) -> Clashes;
    users_by_email(email: &str) -> Vec<User>;
    user(id: UserId) -> Option<User>;
    user_by_name(name: &str) -> Option<User>;
    users(after: Option<UserId>, limit: usize) -> Vec<User>;
    change_user(id: UserId, change: UserChange) -> Option<User>;
    delete_user(id: UserId) -> bool;
    start_session(session: NewSession) -> Option<Session>;
    change_password(hash: PasswordHash, session: NewSession) -> Option<Session>;
    adopt_session(jti: &str, session: NewSession) -> Option<Session>;
    standing(user: UserId, session: SessionRef<'_>) -> Standing;
    rotate(request: RotationRequest) -> Rotation;
    touch_session(id: SessionId, now: Timestamp, expires: Timestamp) -> ();
    end_session(id: SessionId, now: Timestamp, reason: EndReason) -> bool;
    sessions(user: UserId, before: Option<u64>, limit: usize) -> Vec<Session>;
    latest_sessions(before: Option<u64>, limit: usize) -> Vec<Session>;
    note_uses(uses: Vec<(SessionId, Timestamp)>) -> ();
    password_recipes() -> Vec<String>;
    sweep(now: Timestamp) -> usize;
    copy_out(sink: CopySink) -> ();
}

delegate! {
    MovingStore:
    take_users(users: Vec<WholeUser>, trial: Trial) -> Vec<Arrival>;
    whole_users(after: Option<UserId>, limit: usize) -> Vec<WholeUser>;
    take_groups(groups: Vec<Group>, trial: Trial) -> Vec<GroupArrival>;
    take_invitations(all: Vec<KeptInvitation>, trial: Trial) -> Vec<InvitationArrival>;
    kept_invitations(after: Option<u64>, limit: usize) -> Vec<KeptInvitation>;
    take_deleted(ids: Vec<UserId>, trial: Trial) -> Vec<UserId>;
    deleted(after: Option<UserId>, limit: usize) -> Vec<UserId>;
    numbers(at_least: Numbers) -> Numbers;
}

delegate! {
    MailStore:
    post(letter: NewLetter, limits: QueueLimits) -> Posted;
    post_resets(email: &str, at: Timestamp, limits: QueueLimits) -> Posted;
    claim_letter(now: Timestamp, until: Timestamp) -> Claimed;
    put_off_letter(number: u64, due: Timestamp) -> bool;
    remove_letter(number: u64) -> bool;
    add_token(token: NewToken) -> bool;
    token_user(token: TokenRef) -> Option<User>;
    redeem_password(token: TokenRef, hash: PasswordHash) -> Option<Redeemed>;
    redeem_email(token: TokenRef, unique: bool) -> Confirmation;
}

delegate! {
    GroupStore:
    create_group(name: &str) -> Option<Group>;
    group(name: &str) -> Option<Group>;
    groups() -> Vec<Group>;
    group_members(name: &str, after: Option<UserId>, limit: usize) -> Vec<User>;
    change_group(name: &str, change: GroupChange) -> Option<Group>;
    delete_group(name: &str) -> bool;
}

delegate! {
    InvitationStore:
    add_invitation(invitation: NewInvitation) -> Invitation;
    invitation(hash: [u8; 32]) -> Option<Invitation>;
    invitations(after: Option<u64>, limit: usize) -> Vec<Invitation>;
    remove_invitation(id: u64) -> bool;
}

delegate! {
    KeyStore:
    api_key(user: UserId, candidate: ApiKey) -> Option<ApiKey>;
    user_by_api_key(hash: [u8; 32]) -> Option<User>;
    add_key(key: NewUserKey, most: usize) -> KeyAdded;
    key_owner(hash: [u8; 32]) -> Option<KeyOwner>;
    user_key(id: u64) -> Option<UserKey>;
    keys_of(user: UserId) -> Vec<UserKey>;
    user_keys(after: Option<u64>, limit: usize) -> Vec<UserKey>;
    remove_key(user: UserId, id: u64) -> bool;
    note_key_uses(uses: Vec<(u64, Timestamp)>) -> ();
}

delegate! {
    FactorStore:
    factors(user: UserId) -> Option<Factors>;
    offer_totp(user: UserId, totp: NewTotp) -> Offered;
    confirm_totp(user: UserId, first: FirstCode) -> bool;
    change_factors(user: UserId, proof: FactorProof, change: FactorChange) -> bool;
    answer_challenge(challenge: TokenRef, proof: FactorProof) -> Answered;
    passkey_owner(credential: Vec<u8>) -> Option<UserId>;
    add_passkey(user: UserId, new: NewPasskey) -> PasskeyAdded;
    rename_passkey(user: UserId, credential: Vec<u8>, name: String) -> bool;
    remove_factors(user: UserId) -> bool;
}
