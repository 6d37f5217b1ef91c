//! Keys: the one that `api-token-auth/` shows a user, and what the file does for those that users
//! make.

use async_trait::async_trait;
use minicbor::{Decode, Encode};

use super::tables::{API_KEY_HASHES, API_KEYS, Change, Source, dangling, decode};
use super::{RedbStore, user_keys, users};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::record::User;
use crate::store::{ApiKey, KeyAdded, KeyOwner, KeyStore, NewUserKey, StoreError, UserKey};

#[async_trait]
impl KeyStore for RedbStore {
    async fn api_key(&self, user: UserId, candidate: ApiKey) -> Result<Option<ApiKey>, StoreError> {
        // Asked at each login of a client that has one: no need to wait for the writer then.
        if let Some(key) = self.read(move |view| stored_key(view, user)).await? {
            return Ok(Some(key));
        }
        self.write(move |change| key(change, user, &candidate)).await
    }

    async fn user_by_api_key(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError> {
        self.read(move |view| by_key(view, hash)).await
    }

    async fn add_key(&self, key: NewUserKey, most: usize) -> Result<KeyAdded, StoreError> {
        self.write(move |change| user_keys::add(change, &key, most)).await
    }

    async fn key_owner(&self, hash: [u8; 32]) -> Result<Option<KeyOwner>, StoreError> {
        self.read(move |view| user_keys::owner(view, hash)).await
    }

    async fn user_key(&self, id: u64) -> Result<Option<UserKey>, StoreError> {
        self.read(move |view| user_keys::find(view, id)).await
    }

    async fn keys_of(&self, user: UserId) -> Result<Vec<UserKey>, StoreError> {
        self.read(move |view| user_keys::of_user(view, user)).await
    }

    async fn user_keys(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<UserKey>, StoreError> {
        self.read(move |view| user_keys::page(view, after, limit)).await
    }

    async fn remove_key(&self, user: UserId, id: u64) -> Result<bool, StoreError> {
        self.write(move |change| {
            let own = user_keys::find(change, id)?.filter(|key| key.user == user);
            own.map_or(Ok(false), |key| user_keys::remove(change, &key).map(|()| true))
        })
        .await
    }

    async fn note_key_uses(&self, uses: Vec<(u64, Timestamp)>) -> Result<(), StoreError> {
        self.write(move |change| user_keys::note_uses(change, &uses)).await
    }
}

/// How the key of `api-token-auth/` looks in the file; the rules of [`super::codec`] hold.
// Nothing prints it: a hash is in it.
#[derive(Decode, Encode)]
#[cbor(map)]
struct ApiKeyRecord {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    hash: [u8; 32],
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// The API key of a user, who may have none.
pub(super) fn stored_key(source: &impl Source, id: UserId) -> Result<Option<ApiKey>, StoreError> {
    let found: Option<ApiKeyRecord> = source.record(&API_KEYS, id.0)?;
    Ok(found.map(Into::into))
}

/// An API key as it is kept.
pub(super) fn kept(bytes: &[u8]) -> Result<ApiKey, StoreError> {
    decode::<_, ApiKeyRecord>(&API_KEYS, bytes).map(Into::into)
}

/// The key there is, or `candidate` in its place; `None` if the user is gone.
fn key(change: &Change<'_>, id: UserId, candidate: &ApiKey) -> Result<Option<ApiKey>, StoreError> {
    if users::find(change, id)?.is_none() {
        return Ok(None);
    }
    if let Some(key) = stored_key(change, id)? {
        return Ok(Some(key));
    }
    // Never hand one user's key over to another; a candidate drawn anew will do.
    if change.number(&API_KEY_HASHES, candidate.hash)?.is_some() {
        return Err(StoreError::Unavailable("this API key belongs to another user".into()));
    }
    put_key(change, id, candidate)?;
    Ok(Some(candidate.clone()))
}

/// Stores the API key of a user who has none; nobody else may have it.
pub(super) fn put_key(change: &Change<'_>, id: UserId, key: &ApiKey) -> Result<(), StoreError> {
    change.put(&API_KEY_HASHES, key.hash, id.0)?;
    change.put_record(&API_KEYS, id.0, &ApiKeyRecord::from(key))
}

fn by_key(source: &impl Source, hash: [u8; 32]) -> Result<Option<User>, StoreError> {
    let Some(id) = source.number(&API_KEY_HASHES, hash)? else { return Ok(None) };
    users::find(source, UserId(id))?.map(Some).ok_or_else(|| dangling(&API_KEY_HASHES))
}

/// Forgets the key of a user, and those that the user made.
pub(super) fn forget(change: &Change<'_>, user: UserId) -> Result<(), StoreError> {
    if let Some(key) = stored_key(change, user)? {
        change.remove(&API_KEY_HASHES, key.hash)?;
        change.remove(&API_KEYS, user.0)?;
    }
    for key in user_keys::of_user(change, user)? {
        user_keys::remove(change, &key)?;
    }
    Ok(())
}

impl From<ApiKeyRecord> for ApiKey {
    fn from(record: ApiKeyRecord) -> Self {
        Self { hash: record.hash, sealed: record.sealed }
    }
}

impl From<&ApiKey> for ApiKeyRecord {
    fn from(key: &ApiKey) -> Self {
        Self { hash: key.hash, sealed: key.sealed.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was() {
        let key = ApiKey { hash: [0xAB; 32], sealed: vec![1, 2, 3] };
        let bytes = minicbor::to_vec(ApiKeyRecord::from(&key)).unwrap();
        let record: ApiKeyRecord = minicbor::decode(&bytes).unwrap();
        assert_eq!(ApiKey::from(record), key);
        // A byte string, not an array of numbers: two bytes of head, then the hash itself.
        assert!(bytes.windows(34).any(|part| part == [&[0x58, 32][..], &[0xAB; 32]].concat()));
    }
}
