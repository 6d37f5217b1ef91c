//! Streams end with the session that opened them, in whatever way that ends.

use std::time::{Duration, Instant};

use portcullis::clock::Clock;
use portcullis::store::{EndReason, UserChange};
use serde_json::{Value, json};

use super::live;
use super::websocket;
use crate::common::{Conn, PASSWORD, Stage};

/// The ways out.
#[derive(Clone, Copy, Debug)]
enum Way {
    LogOut,
    LogOutByRefresh,
    LogOutEverywhere,
    EndFromList,
    ChangePassword,
    ByOperator,
    AllByOperator,
}

impl Way {
    const ALL: [Self; 7] = [
        Self::LogOut,
        Self::LogOutByRefresh,
        Self::LogOutEverywhere,
        Self::EndFromList,
        Self::ChangePassword,
        Self::ByOperator,
        Self::AllByOperator,
    ];

    /// Goes it; the end of the session was acknowledged when it returns.
    async fn go(self, stage: &Stage, (access, refresh): (&str, &str)) {
        let call = async |method, path: &str, body: Option<Value>| {
            let reply = stage.ask(method, path, Some(access), body.as_ref()).await;
            assert!((200..300).contains(&reply.status), "{self:?}: {reply:?}");
            reply
        };
        let (accounts, user) = (&stage.gateway.accounts, stage.alice.id);
        match self {
            Self::LogOut => drop(call("POST", "logout/", None).await),
            Self::LogOutByRefresh => {
                let body = json!({ "refresh": refresh });
                let reply = stage.ask("POST", "logout/", None, Some(&body)).await;
                assert_eq!(reply.status, 200, "{reply:?}");
            }
            Self::LogOutEverywhere => drop(call("POST", "logout/all/", None).await),
            Self::EndFromList => {
                let list = call("GET", "sessions/", None).await.json();
                let id = list[0]["id"].as_str().expect("an id").to_owned();
                call("DELETE", &format!("sessions/{id}/"), None).await;
            }
            Self::ChangePassword => {
                let body = json!({ "old_password": PASSWORD, "new_password": "Tr1cky-Phrase-77" });
                call("POST", "password/change/", Some(body)).await;
                let again = portcullis::Secret::from(PASSWORD.to_owned());
                assert!(accounts.set_password(user, again).await.unwrap());
            }
            Self::ByOperator => {
                let newest = accounts.sessions(user, 1).await.unwrap()[0].id;
                assert!(accounts.end_session(user, newest, EndReason::Operator).await.unwrap());
            }
            Self::AllByOperator => {
                let change = UserChange::LoggedOutEverywhere(stage.gateway.clock().now());
                accounts.change(user, change).await.unwrap();
            }
        }
    }
}

async fn soon_closed(client: &mut Conn, server: &mut Conn, since: Instant) {
    client.closed().await;
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[tokio::test]
async fn event_streams_and_responses_end_with_their_session_whatever_ends_it() {
    let stage = live::stage("").await;
    stage.user("bob", &[]).await;
    let (bob, _) = stage.log_in("bob").await;
    let (mut kept, mut kept_server) = live::open(&stage, "/app/x", &bob, live::EVENTS).await;
    for way in Way::ALL {
        let (access, refresh) = stage.log_in("alice").await;
        let (mut events, mut their_server) =
            live::open(&stage, "/app/x", &access, live::EVENTS).await;
        let (mut client, mut server) = live::open(&stage, "/app/x", &access, live::CHUNKED).await;
        live::passes(&mut events, &mut their_server).await;
        way.go(&stage, (&access, &refresh)).await;
        let since = Instant::now();
        // An event stream ends properly, so that its page connects again and hears why.
        assert_eq!(events.chunk().await, b"", "{way:?}");
        their_server.closed().await;
        soon_closed(&mut client, &mut server, since).await;
        assert_eq!(stage.get_as("/app/x", &access).await.status, 401, "{way:?}");
    }
    live::passes(&mut kept, &mut kept_server).await;
    drop((kept, kept_server));
    live::end(stage).await;
}

#[tokio::test]
async fn websockets_end_with_their_session_whatever_ends_it() {
    let stage = websocket::stage("", "").await;
    for way in Way::ALL {
        let (access, refresh) = stage.log_in("alice").await;
        let (mut client, mut server) = websocket::open(&stage, &access).await;
        websocket::talk(&mut client, &mut server).await;
        way.go(&stage, (&access, &refresh)).await;
        let since = Instant::now();
        // A close frame with 1008.
        assert_eq!(client.exactly(4).await, [0x88, 2, 3, 0xf0], "{way:?}");
        assert!(since.elapsed() < Duration::from_secs(2), "{way:?}: {:?}", since.elapsed());
        drop((client, server));
    }
    websocket::end(stage).await;
}
