//! One order: from an account to a certificate (RFC 8555 section 7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use zeroize::Zeroizing;

use super::http::Client;
use super::proving::Proving;
use super::{AcmeError, AcmeSettings, Challenges, files};
use crate::printable::Printable;
use crate::tls::{Certified, ServerTls};

/// How long the authority may take to see the proof, and then to issue.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .timeout(Duration::from_secs(3 * 60));

/// Has a certificate issued and keeps it.
pub(super) async fn obtain(
    settings: &AcmeSettings,
    client: &Client,
    challenges: &Challenges,
    tls: &ServerTls,
) -> Result<(), AcmeError> {
    // Where nothing can be kept nothing is asked for: what is lost is issued only so often.
    files::make_folder(&settings.folder)?;
    let account = account(settings, client).await?;
    let proving = || Proving::begin(settings.proof, challenges, tls);
    let issued = match issue(settings, &account, proving()).await {
        Err(AcmeError::NoAccount) => {
            tracing::warn!("the authority does not know the account any more; another one is made");
            files::forget(&settings.account());
            let account = self::account(settings, client).await?;
            issue(settings, &account, proving()).await
        }
        issued => issued,
    };
    let (key, chain) = issued?;
    let leaf = Certified::from_pem(chain.as_bytes(), key.as_bytes())?.leaf()?;
    if let Some(missing) = settings.domains.iter().find(|domain| !leaf.covers(domain)) {
        return Err(AcmeError::Names(missing.clone()));
    }
    // In one file: there is never a key without its certificate.
    let both = Zeroizing::new(format!("{}{chain}", key.as_str()));
    files::write(&settings.certificate(), both.as_bytes())
}

/// The account that is kept, or a new one, which is kept from then on.
async fn account(settings: &AcmeSettings, client: &Client) -> Result<Account, AcmeError> {
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let path = settings.account();
    if let Some(kept) = files::read_account(&path)? {
        return Ok(builder.from_credentials(kept).await?);
    }
    let contact = settings.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<_> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        // The check of the policy has seen to it that the operator says so.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, kept) = builder.create(&new, settings.directory.clone(), None).await?;
    files::write_account(&path, &kept)?;
    tracing::info!(directory = %settings.directory, id = %Printable(account.id()), "account made");
    Ok(account)
}

/// The new key and the chain, both in PEM.
async fn issue(
    settings: &AcmeSettings,
    account: &Account,
    proving: Proving<'_>,
) -> Result<(Zeroizing<String>, String), AcmeError> {
    let names: Vec<_> = settings.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        // Proved not long ago.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let domain = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(proving.kind()) else {
            return Err(AcmeError::NoChallenge { domain, proof: settings.proof });
        };
        proving.meet(&domain, &challenge)?;
        challenge.set_ready().await?;
    }
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Ready) => {}
        Err(instant_acme::Error::Timeout(_)) => return Err(AcmeError::Late),
        // What the order says is less than what its parts say.
        Ok(_) => return Err(unproved(&mut order).await.unwrap_or(AcmeError::Late)),
        Err(error) => return Err(unproved(&mut order).await.unwrap_or_else(|| error.into())),
    }
    drop(proving);
    let key = Zeroizing::new(order.finalize().await?);
    match order.poll_certificate(&PATIENCE).await {
        Ok(chain) => Ok((key, chain)),
        Err(instant_acme::Error::Timeout(_)) => Err(AcmeError::Late),
        Err(error) => Err(error.into()),
    }
}

/// Which name was not proved, and why, if the authority says so.
async fn unproved(order: &mut Order) -> Option<AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let failed = authorization.challenges.iter().find_map(|one| one.error.as_ref());
        if let Some(error) = failed {
            let domain = authorization.identifier().to_string();
            let cause = Printable(&error.to_string()).to_string();
            return Some(AcmeError::Unproved { domain, cause });
        }
    }
    None
}
