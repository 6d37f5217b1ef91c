//! One connection, and what is asked on it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};

use super::failure::Failure;
use super::link::Cancel;
use crate::store::StoreEvent;

/// A value that goes into a statement. Its type is told to the database: a statement that is not
/// prepared is one round trip then.
pub(super) trait Arg: Sync {
    fn kind(&self) -> Type;

    fn value(&self) -> &(dyn ToSql + Sync);
}

/// The type of a value, also where there is none.
pub(super) trait Kind {
    const KIND: Type;
}

impl<T: Kind + ToSql + Sync> Arg for T {
    fn kind(&self) -> Type {
        T::KIND
    }

    fn value(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

macro_rules! kinds {
    ($($rust:ty => $sql:ident)*) => {
        $(impl Kind for $rust {
            const KIND: Type = Type::$sql;
        })*
    };
}

kinds! {
    bool => BOOL
    i16 => INT2
    i64 => INT8
    &str => TEXT
    String => TEXT
    &[u8] => BYTEA
    Vec<u8> => BYTEA
    Vec<String> => TEXT_ARRAY
    &[String] => TEXT_ARRAY
    Vec<i64> => INT8_ARRAY
    Vec<&[u8]> => BYTEA_ARRAY
}

impl<T> Kind for Json<T> {
    const KIND: Type = Type::JSONB;
}

impl<T: Kind> Kind for Option<T> {
    const KIND: Type = T::KIND;
}

/// A connection of the pool. Dropped before [`Conn::give_back`] it is closed, and what it was
/// about is cancelled.
pub(super) struct Conn {
    client: Option<Object>,
    prepared: bool,
    cancel: Cancel,
    told: Mutex<BTreeSet<StoreEvent>>,
}

impl Conn {
    pub(super) const fn new(client: Object, prepared: bool, cancel: Cancel) -> Self {
        Self { client: Some(client), prepared, cancel, told: Mutex::new(BTreeSet::new()) }
    }

    /// Has the transaction under way tell every gateway of something that it changes.
    pub(super) fn tell(&self, event: StoreEvent) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(event);
    }

    /// What it is to tell.
    pub(super) fn told(&self) -> BTreeSet<StoreEvent> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn client(&self) -> Result<&Object, Failure> {
        // It is there until it is given back, which takes all of this.
        self.client.as_ref().ok_or(Failure::Late)
    }

    /// Lets others use it.
    pub(super) fn give_back(mut self) {
        drop(self.client.take());
    }

    /// The rows that a statement gives.
    pub(super) async fn rows(&self, sql: &str, args: &[&dyn Arg]) -> Result<Vec<Row>, Failure> {
        let client = self.client()?;
        if self.prepared {
            let kinds: Vec<Type> = args.iter().map(|arg| arg.kind()).collect();
            let statement = client.prepare_typed_cached(sql, &kinds).await?;
            let values: Vec<_> = args.iter().map(|arg| arg.value()).collect();
            return Ok(client.query(&statement, &values).await?);
        }
        let typed: Vec<_> = args.iter().map(|arg| (arg.value(), arg.kind())).collect();
        Ok(client.query_typed(sql, &typed).await?)
    }

    /// The first of the rows.
    pub(super) async fn row(&self, sql: &str, args: &[&dyn Arg]) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: &str, args: &[&dyn Arg]) -> Result<u64, Failure> {
        let client = self.client()?;
        if self.prepared {
            let kinds: Vec<Type> = args.iter().map(|arg| arg.kind()).collect();
            let statement = client.prepare_typed_cached(sql, &kinds).await?;
            let values: Vec<_> = args.iter().map(|arg| arg.value()).collect();
            return Ok(client.execute(&statement, &values).await?);
        }
        let typed: Vec<_> = args.iter().map(|arg| (arg.value(), arg.kind())).collect();
        Ok(client.execute_typed(sql, &typed).await?)
    }

    /// Statements without arguments, in one round trip.
    pub(super) async fn commands(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        match &self.client {
            Some(client) => client.batch_execute(sql).await,
            None => Ok(()),
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        // Nobody knows what it is in the middle of: no other call gets it.
        self.cancel.clone().cancel(client.cancel_token());
        drop(Object::take(client));
    }
}
