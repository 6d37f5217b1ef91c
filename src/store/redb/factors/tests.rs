use super::*;
use crate::store::Passkey;

#[test]
fn factors_come_back_as_they_were() {
    let at = Timestamp::from_millis;
    let passkey = Passkey {
        credential: vec![1; 16],
        key: vec![2; 77],
        handle: vec![3; 32],
        count: 4,
        may_be_copied: true,
        is_copied: true,
        name: "phone".to_owned(),
        created: at(5),
        used: Some(at(6)),
    };
    let other = Passkey { credential: vec![9; 64], used: None, ..passkey.clone() };
    let totp = |confirmed| Totp { sealed: vec![1, 2], created: at(1), confirmed, step: 7 };
    for (totp, recovery, passkeys) in [
        (Some(totp(None)), vec![], vec![]),
        (Some(totp(Some(at(2)))), vec![[1; 32], [2; 32]], vec![]),
        (None, vec![[1; 32]], vec![passkey.clone()]),
        (Some(totp(None)), vec![], vec![passkey, other]),
    ] {
        let factors = Factors { totp, recovery, passkeys };
        let bytes = minicbor::to_vec(FactorsRecord::from(&factors)).unwrap();
        let record: FactorsRecord = minicbor::decode(&bytes).unwrap();
        assert_eq!(Factors::from(record), factors);
    }
}
