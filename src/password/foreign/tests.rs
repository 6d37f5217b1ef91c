use super::*;

/// What Django wrote, one row of each kind.
const DJANGO: &str = include_str!("../../../tests/data/django_hashes.json");

/// What `openssl passwd` and crypt(3) made of `password123`.
const PASSWORD_FILES: [&str; 10] = [
    "$apr1$8charsal$nsad8izm5hglx3bgYJc6e/",
    "$1$abc$UWUoROXzUCsLsVzI0R2et.",
    "$5$saltstring$4Kta3Vf4bKNQR/s5ZhzKXAWkxfBj1Sc6A729.AwA086",
    "$6$saltstring$4ixLIz5KJBZc.2zkGY5vVUPP35afVYbS/ptVffQztZyEkyIJLOrfAifaEJAcuuYS54UZvk8PF2tOtAz9Cp98e/",
    "$6$rounds=1234$saltstring$u4kwWCmL1z7mnC6AT6HunqLuqLGIn/CLXEnCsGh0ETDremNvMFUqJ654pDHbH1TkAzIIJvcGcLEgrNvDcv6Rj/",
    "$5$rounds=7000$ab$j.9n0fY6l9xsrXWTCy7ZmvrnnSEcNYLqweZk/M1CNq5",
    "$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u",
    "$2b$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u",
    "$2a$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u",
    "{SHA}y/2sYAj5yrQIN4TL0YdPdmGNKpc=",
];

fn right(password: &str, encoded: &str) -> bool {
    matches(password.as_bytes(), &PasswordHash::new(encoded.to_owned()))
}

#[test]
fn every_kind_that_django_wrote_is_checked() {
    let rows: serde_json::Value = serde_json::from_str(DJANGO).unwrap();
    let (mut checked, mut unusable) = (0, 0);
    for row in rows.as_array().unwrap() {
        let encoded = row["encoded"].as_str().unwrap();
        let Some(password) = row["password"].as_str() else {
            assert_eq!(recognize(encoded), Ok(None));
            assert!(!right("", encoded));
            unusable += 1;
            continue;
        };
        assert_eq!(recognize(encoded), Ok(Some(PasswordHash::new(encoded.to_owned()))));
        assert!(right(password, encoded), "{row}");
        // One of each kind is enough: the others take a second each.
        if !matches!(
            Cost::of(&PasswordHash::new(encoded.to_owned()).recipe()),
            Some(Cost::Pbkdf2Sha256(20_000..))
        ) {
            assert!(!right(&format!("{password}x"), encoded), "{row}");
        }
        checked += 1;
    }
    assert_eq!((checked, unusable), (rows.as_array().unwrap().len() - 1, 1));
}

#[test]
fn every_kind_of_password_file_is_checked() {
    for encoded in PASSWORD_FILES {
        assert!(recognize(encoded).unwrap().is_some(), "{encoded}");
        assert!(right("password123", encoded), "{encoded}");
        assert!(!right("password124", encoded), "{encoded}");
    }
    assert!(right("", "$apr1$x$tMwYqBfQwi3FYAr0aJc8M/"));
    let long = "пароль-密码-and-a-long-one-over-sixteen-bytes";
    assert!(right(long, "$apr1$abcdefgh$X9ueDpLyQkeOE1u4zGViZ1"));
}

#[test]
fn what_says_that_no_password_is_right_is_none() {
    for encoded in ["", "!", "!!", "*", "!x", "!$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay"] {
        assert_eq!(recognize(encoded), Ok(None), "{encoded}");
        assert!(!right("", encoded) && !right("password123", encoded));
    }
}

#[test]
fn what_would_cost_too_much_is_refused_and_never_checked() {
    let digest = "c6E5DyV2NV434A9aAh+kyeBsNHD3KoI8muQPhWHLAGI=";
    let argon2 =
        |params: &str| format!("argon2$argon2id$v=19${params}$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA");
    let scrypt = |params: &str, r: u32, p: u32| {
        let digest = STANDARD.encode([0; 64]);
        format!("scrypt${params}$salt${r}${p}${digest}")
    };
    for encoded in [
        format!("pbkdf2_sha256$10000001$salt${digest}"),
        format!("pbkdf2_sha256$99999999999999999999$salt${digest}"),
        argon2("m=524289,t=1,p=1"),
        argon2("m=524288,t=9,p=1"),
        argon2("m=1024,t=1,p=65"),
        scrypt("1048576", 8, 1),
        scrypt("16384", 8, 200),
        scrypt("2147483648", 4_294_967_295, 4_294_967_295),
        "$2b$17$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u".to_owned(),
        "bcrypt$$2b$31$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u".to_owned(),
        PASSWORD_FILES[4].replace("1234", "999999999"),
    ] {
        assert_eq!(recognize(&encoded), Err(HashFault::Costly), "{encoded}");
        assert!(!right("password123", &encoded));
    }
    // Ours may be as costly as the operator wants them, but none comes from elsewhere.
    let ours = "$argon2id$v=19$m=524289,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    assert_eq!(recognize(ours), Err(HashFault::Costly));
    // What Django writes by default is far from all of that.
    assert!(recognize(&argon2("m=102400,t=2,p=8")).is_ok());
}

#[test]
fn what_is_no_hash_is_refused_and_lets_nobody_in() {
    use HashFault::{Damaged, Des, Unknown};
    for (encoded, fault) in [
        ("password123", Unknown),
        ("hunter2", Unknown),
        ("plain$text", Unknown),
        ("abJnggxhB/yWI", Des),
        ("$y$j9T$salt$digest", Unknown),
        ("$2x$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u", Unknown),
        ("{SSHA}y/2sYAj5yrQIN4TL0YdPdmGNKpc=", Unknown),
        ("{SHA}y/2sYAj5yrQIN4TL0YdPdmGNKp", Damaged),
        ("pbkdf2_sha256$0$salt$c6E5DyV2NV434A9aAh+kyeBsNHD3KoI8muQPhWHLAGI=", Damaged),
        ("pbkdf2_sha256$-1$salt$c6E5DyV2NV434A9aAh+kyeBsNHD3KoI8muQPhWHLAGI=", Damaged),
        ("pbkdf2_sha256$1$salt$AA==", Damaged),
        ("pbkdf2_sha256$1$salt", Unknown),
        ("md5$salt$482c811da5d5b4bc6d497ffa98491e", Damaged),
        ("sha1$salt$zzzz1ad6b4d6f4893a73a906e42dd8b887bf3d83", Damaged),
        ("482c811da5d5b4bc6d497ffa98491e3", Unknown),
        ("c8fed00eb2e87f1cee8e90ebbe870c190ac3848c", Unknown),
        ("abJnggxhB yWI", Unknown),
        ("pbkdf2_sha256$$salt$c6E5DyV2NV434A9aAh+kyeBsNHD3KoI8muQPhWHLAGI=", Damaged),
        ("$2b$3$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u", Damaged),
        ("$2b$03$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u", Damaged),
        ("$2b$5$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u", Damaged),
        ("$2b$05$abcdefghijklmnopqrstuu", Damaged),
        ("$2b$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1!", Damaged),
        ("bcrypt$$2b$05$ä", Damaged),
        ("scrypt$3$salt$8$1$AA==", Damaged),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", Damaged),
        ("argon2$argon2id", Damaged),
        ("argon2$x", Damaged),
        ("$6$rounds=x$salt$digest", Damaged),
        ("$6$rounds=5000$salt$short", Damaged),
        ("$5$rounds=999$saltstring$4Kta3Vf4bKNQR/s5ZhzKXAWkxfBj1Sc6A729.AwA086", Damaged),
        ("$5$seventeen-letters$4Kta3Vf4bKNQR/s5ZhzKXAWkxfBj1Sc6A729.AwA086", Damaged),
        ("$5$salt string$4Kta3Vf4bKNQR/s5ZhzKXAWkxfBj1Sc6A729.AwA086", Damaged),
        ("$5$saltstring$4Kta3Vf4bKNQR/s5ZhzKXAWkxfBj1Sc6A729.AwA08!", Damaged),
        ("$apr1$ninesigns$nsad8izm5hglx3bgYJc6e/", Damaged),
        ("$apr1$8charsal$nsad8izm5hglx3bgYJc6e", Damaged),
        ("$apr1$8charsal$nsad8izm5hglx3bgYJc6e!", Damaged),
    ] {
        assert_eq!(recognize(encoded), Err(fault), "{encoded}");
        assert!(!right("password123", encoded) && !right("", encoded), "{encoded}");
    }
}

#[test]
fn what_scrypt_cannot_be_made_with_is_damaged() {
    let digest = STANDARD.encode([0; 64]);
    for (n, r, p) in [(3, 8, 1), (1, 8, 1), (0, 8, 1), (16, 0, 1), (16, 8, 0)] {
        let encoded = format!("scrypt${n}$salt${r}${p}${digest}");
        assert_eq!(recognize(&encoded), Err(HashFault::Damaged), "{encoded}");
    }
}

#[test]
fn the_least_of_each_kind_is_a_hash() {
    let bcrypt = bcrypt::hash_with_salt("password123", 4, [7; 16]).unwrap().to_string();
    let sha = "$5$sixteen-letters.$";
    for encoded in [
        bcrypt,
        format!("scrypt$2$salt$1$1${}", STANDARD.encode([0; 64])),
        format!("{sha}{}", "a".repeat(43)),
        format!("$6$rounds=1000$${}", "a".repeat(86)),
    ] {
        assert!(recognize(&encoded).is_ok_and(|hash| hash.is_some()), "{encoded}");
    }
}

#[test]
fn nothing_beyond_the_longest_password_is_right() {
    let long = "x".repeat(LONGEST);
    let encoded = format!("{{SHA}}{}", STANDARD.encode(sha1(&[long.as_bytes()])));
    assert!(right(&long, &encoded));
    assert!(!right(&format!("{long}y"), &encoded));
}
