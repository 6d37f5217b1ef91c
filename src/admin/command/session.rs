//! Sessions in the words of the admin socket.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::admin::Refusal;
use crate::printable::Printable;
use crate::store::Session;

/// Which living sessions are listed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionList {
    /// Those of the user of that name alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Those that began at that address or in that network; empty for any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Where the page before has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// How many at most; the door has a bound of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A session as an operator sees it. Moments are RFC 3339, in UTC.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionView {
    /// As the `sid` claim has it.
    pub id: String,
    /// Whose it is; empty from a gateway that does not tell.
    #[serde(default)]
    pub username: String,
    /// What logged in, in its own words.
    pub device: String,
    /// The client address at login.
    pub address: String,
    /// When the login was.
    pub started: String,
    /// The last use that the store has heard of.
    pub last_used: String,
}

impl SessionView {
    /// The session of a user of that name.
    pub(in crate::admin) fn new(session: Session, username: String) -> Self {
        Self {
            id: session.id.to_string(),
            username,
            device: session.device,
            address: session.address,
            started: session.started.to_string(),
            last_used: session.last_used.to_string(),
        }
    }
}

impl SessionList {
    /// Where they began; `None` for anywhere.
    pub(in crate::admin) fn network(&self) -> Result<Option<IpNet>, Refusal> {
        let text = self.address.trim();
        if text.is_empty() {
            return Ok(None);
        }
        // Sessions know IPv4 clients as such.
        let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        address.or_else(|_| text.parse()).map(Some).map_err(|_| {
            Refusal::invalid(format!(
                "`{}` is no address and no network; write `192.0.2.7` or `10.0.0.0/8`",
                Printable(text)
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Command;

    #[test]
    fn an_address_or_a_network_is_where_they_began() {
        let network = |text: &str| {
            let list = SessionList { address: text.to_owned(), ..SessionList::default() };
            list.network().map(|it| it.map(|network| network.to_string()))
        };
        for (text, found) in [
            ("", None),
            (" ", None),
            (" 192.0.2.7 ", Some("192.0.2.7/32")),
            ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("::/0", Some("::/0")),
        ] {
            assert_eq!(network(text).unwrap().as_deref(), found, "{text}");
        }
        for text in ["x", "10.0.0.0/33", "10.0.0", "192.0.2.7:80", "\u{1b}[2J"] {
            let refused = network(text).unwrap_err().to_string();
            let is_told = refused.contains("no address and no network");
            assert!(is_told && !refused.contains('\u{1b}'), "{refused}");
        }
    }

    #[test]
    fn a_name_alone_is_asked_in_the_words_that_earlier_gateways_know() {
        let list = SessionList { name: Some("alice".to_owned()), ..SessionList::default() };
        let text = serde_json::to_string(&Command::SessionList(list)).unwrap();
        assert_eq!(text, r#"{"command":"session-list","name":"alice"}"#);
        for text in [&text, r#"{"command":"session-list"}"#] {
            assert!(serde_json::from_str::<Command>(text).is_ok(), "{text}");
        }
        let text = r#"{"command":"session-list","nme":"alice"}"#;
        assert!(serde_json::from_str::<Command>(text).is_err());
    }
}
