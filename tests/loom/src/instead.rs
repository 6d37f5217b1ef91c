//! What stands for std's and tokio's.

pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::{Arc, Mutex, MutexGuard, atomic};

/// A channel for one thing, whose receiver waits with its thread.
pub(crate) mod oneshot {
    use loom::sync::{Arc, Condvar, Mutex};

    #[derive(Debug)]
    struct Shared<T> {
        state: Mutex<State<T>>,
        moved: Condvar,
    }

    #[derive(Debug)]
    enum State<T> {
        Open,
        Sent(T),
        Closed,
    }

    #[derive(Debug)]
    pub(crate) struct Sender<T>(Arc<Shared<T>>);

    #[derive(Debug)]
    pub(crate) struct Receiver<T>(Arc<Shared<T>>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let shared = Arc::new(Shared { state: Mutex::new(State::Open), moved: Condvar::new() });
        (Sender(Arc::clone(&shared)), Receiver(shared))
    }

    impl<T> Sender<T> {
        pub(crate) fn send(self, value: T) -> Result<(), T> {
            let mut state = self.0.state.lock().unwrap();
            if matches!(*state, State::Closed) {
                return Err(value);
            }
            *state = State::Sent(value);
            self.0.moved.notify_one();
            Ok(())
        }
    }

    impl<T> Receiver<T> {
        /// Waits for it. For ever, if it never comes: loom says so.
        pub(crate) fn receive(self) -> T {
            let mut state = self.0.state.lock().unwrap();
            loop {
                match std::mem::replace(&mut *state, State::Closed) {
                    State::Sent(value) => return value,
                    other => *state = other,
                }
                state = self.0.moved.wait(state).unwrap();
            }
        }

        /// Waits no longer: what has come already, or nothing ever.
        pub(crate) fn close(self) -> Option<T> {
            match std::mem::replace(&mut *self.0.state.lock().unwrap(), State::Closed) {
                State::Sent(value) => Some(value),
                State::Open | State::Closed => None,
            }
        }
    }
}

/// News that nobody listens to.
pub(crate) mod broadcast {
    use std::marker::PhantomData;

    #[derive(Debug)]
    pub(crate) struct Sender<T>(PhantomData<T>);

    #[derive(Debug)]
    pub(crate) struct Receiver<T>(PhantomData<T>);

    impl<T> Sender<T> {
        pub(crate) const fn new(_kept: usize) -> Self {
            Self(PhantomData)
        }

        pub(crate) fn send(&self, value: T) -> Result<usize, T> {
            Err(value)
        }

        pub(crate) const fn subscribe(&self) -> Receiver<T> {
            Receiver(PhantomData)
        }
    }
}

/// A cache of one thing, whatever its key.
pub(crate) struct Cache<K, V>(V, std::marker::PhantomData<K>);

impl<K, V: Clone + Default> Cache<K, V> {
    pub(crate) fn new(_most: usize) -> Self {
        Self(V::default(), std::marker::PhantomData)
    }

    pub(crate) fn get_or_insert_with<E>(
        &self,
        _key: &K,
        _make: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        Ok(self.0.clone())
    }
}
