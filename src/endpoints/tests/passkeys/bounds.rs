//! How long things of a passkey may be, what may be left out, and what has to agree.

use super::*;

/// A key with something behind it that nobody asked for, as long as that.
fn padded(device: &Device, length: usize) -> Vec<u8> {
    let key = device.key();
    let (count, members) = key.split_first().unwrap();
    // Behind the label 2 comes a text of bytes whose length has two bytes.
    let rest = u16::try_from(length - key.len() - 4).unwrap();
    let head = [&[count + 1], members, &[2, 0x59], &rest.to_be_bytes()].concat();
    [head, vec![0; usize::from(rest)]].concat()
}

#[tokio::test]
async fn a_passkey_is_as_long_as_it_may_be_and_no_longer() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let options = room.offer(&access).await;
    let mut device = Device::new(ORIGIN, Kind::EdDsa);
    device.create(&options);
    device.credential = vec![1; 1023];
    for (length, status) in [(1101, 400), (1100, 201)] {
        let key = padded(&device, length);
        assert_eq!(key.len(), length);
        let made = device.created(&options["challenge"], &key);
        assert_eq!(room.confirm(&access, "long", &made).await.status, status, "{length}");
    }
    assert_eq!(room.sign_in(&device.get(&room.ask_passkey().await)).await.status, 200);
}

#[tokio::test]
async fn a_passkey_is_called_as_its_authenticator_has_signed() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let options = room.offer(&access).await;
    let mut made = Device::new(ORIGIN, Kind::EdDsa).create(&options);
    let own = made["rawId"].clone();
    made["rawId"] = Device::new(ORIGIN, Kind::EdDsa).create(&options)["rawId"].clone();
    assert_eq!(room.confirm(&access, "x", &made).await.code, Some("passkey_not_valid"));
    made["rawId"] = own;
    assert_eq!(room.confirm(&access, "x", &made).await.status, 201);
}

/// Who was told which passkey to ask for need not say whose it is (WebAuthn section 7.2 step 6).
#[tokio::test]
async fn an_authenticator_names_its_user_to_who_does_not_know_it() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let mut device = room.passkey(&access, Kind::EdDsa).await;
    device.handle = None;
    let (due, asked) = (room.login("ada", PASSWORD).await, room.ask_passkey().await);
    for options in [&due.json()["publicKey"], &asked] {
        assert_eq!(options["timeout"], 300_000, "as long as the challenge is good");
    }
    assert_eq!(room.sign_in(&device.get(&asked)).await.status, 400);
    let signed = device.get(&due.json()["publicKey"]).to_string();
    assert_eq!(room.answer(&due.text_of("challenge"), &signed).await.status, 200);
}
