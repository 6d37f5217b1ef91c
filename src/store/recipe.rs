//! What checking a password hash costs: the encoded hash without salt and digest.

use super::record::PasswordHash;

impl PasswordHash {
    /// The hash without what is the user's own: all hashes of one recipe cost the same to check.
    ///
    /// ```
    /// use portcullis::store::PasswordHash;
    ///
    /// let recipe = |encoded: &str| PasswordHash::new(encoded.to_owned()).recipe();
    /// assert_eq!(recipe("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"), "$argon2id$v=19$m=19456,t=2,p=1");
    /// assert_eq!(recipe("pbkdf2_sha256$600000$salt$aGFzaA=="), "pbkdf2_sha256$600000");
    /// assert_eq!(recipe("bcrypt$$2b$12$saltandhash"), "bcrypt$$2b$12");
    /// ```
    pub fn recipe(&self) -> String {
        let fields: Vec<&str> = self.expose().split('$').collect();
        match fields.as_slice() {
            // The salt stands between N and r.
            ["scrypt", n, _salt, r, p, _digest] => ["scrypt", n, r, p].join("$"),
            // Salt and digest are one field.
            [front @ .., _both] if matches!(front, [.., "2a" | "2b" | "2y", _cost]) => {
                front.join("$")
            }
            [front @ .., _salt, _digest] => front.join("$"),
            // A digest alone.
            _ => String::new(),
        }
    }
}
