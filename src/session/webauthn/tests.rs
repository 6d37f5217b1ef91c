use proptest::prelude::*;

use super::authenticator::{Data, in_attestation};
use super::cose::PublicKey;
use super::*;
use crate::web::Public;

fn public(https: bool, host: &str, port: Option<u16>) -> Public {
    Public { https, host: host.to_owned(), port }
}

#[test]
fn browsers_have_passkeys_for_names_that_are_reached_safely() {
    for (https, host, port, origin) in [
        (true, "app.example.com", None, Some("https://app.example.com")),
        (true, "app.example.com", Some(8443), Some("https://app.example.com:8443")),
        (true, "localhost", None, Some("https://localhost")),
        (false, "localhost", Some(8080), Some("http://localhost:8080")),
        (false, "a.localhost", None, Some("http://a.localhost")),
        (false, "app.example.com", None, None),
        (false, "notlocalhost", None, None),
        (true, "192.0.2.1", None, None),
        (true, "[2001:db8::1]", None, None),
        (false, "127.0.0.1", Some(8080), None),
    ] {
        let place = RelyingParty::of(&public(https, host, port));
        let expected =
            origin.map(|origin| RelyingParty { id: host.to_owned(), origin: origin.to_owned() });
        assert_eq!(place, expected, "{https} {host} {port:?}");
    }
}

proptest! {
    /// Whatever comes, it is judged, and nothing that was made up is believed.
    #[test]
    fn bytes_of_strangers_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let place = RelyingParty { id: "a.test".to_owned(), origin: "https://a.test".to_owned() };
        if let Ok(data) = Data::read(&bytes) {
            prop_assert_eq!(data.check(&place), Err(Fault::RelyingParty));
        }
        // Nobody finds a key by chance that has signed that.
        if let Some(key) = PublicKey::read(&bytes) {
            prop_assert!(!key.has_signed(b"x", &bytes));
        }
        let _judged = in_attestation(&bytes);
        let text = in_text(&bytes);
        prop_assert_eq!(of_text(&text), Ok(bytes));
    }

    /// Beginnings of what is in order are not, and neither is more than that.
    #[test]
    fn nothing_is_cut_or_added_unseen(length in 0..37_usize, more in 1..9_usize) {
        let whole = [[7; 32].as_slice(), &[5], &[0; 4]].concat();
        prop_assert!(Data::read(&whole).is_ok());
        prop_assert!(Data::read(&whole[..length]).is_err());
        prop_assert!(Data::read(&[whole, vec![0; more]].concat()).is_err());
    }
}
