//! What there is to record.

/// What happened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// The first line of a record.
    RecordBegun,
    /// A line that a crash had left unfinished was taken off at the end.
    RecordMended,
    /// The end of the record was not as the gateway had left it. What was found is kept.
    RecordBroken,
    /// Lines could not be written; how many.
    RecordLost,
    /// The gateway started, with which configuration.
    Started,
    /// Another policy file is in force, which one.
    Reloaded,
    /// The gateway ended in good order.
    Stopped,
    /// The gateway goes on in another process.
    HandedOver,
    /// A session began, or a key was shown, for a name and a password.
    LoggedIn,
    /// A name and a password opened nothing.
    LoginFailed,
    /// Somebody is kept from trying. Written once a minute for each name and address.
    Throttled,
    /// Somebody made an account.
    Registered,
    /// A session was ended.
    SessionEnded,
    /// A spent refresh token was used again, which ended its session.
    TokenReused,
    /// Every session of a user was ended.
    LoggedOutEverywhere,
    /// An operator made an account.
    UserAdded,
    /// A user was removed for good.
    UserDeleted,
    /// A user may come in again.
    Activated,
    /// A user was shut out.
    Deactivated,
    /// A new password; every session of the user is over.
    PasswordChanged,
    /// Another e-mail address.
    EmailChanged,
    /// A user was given a role.
    RoleAdded,
    /// A role was taken from a user.
    RoleRemoved,
    /// A claim was set.
    ClaimSet,
    /// A claim was removed.
    ClaimRemoved,
    /// A user was put into a group.
    GroupJoined,
    /// A user was taken out of a group.
    GroupLeft,
    /// A group was made.
    GroupAdded,
    /// A group was removed, with what it gave.
    GroupDeleted,
    /// A group was given a role, and with it all its members.
    GroupRoleAdded,
    /// A role was taken from a group.
    GroupRoleRemoved,
    /// A user has a key more for its programs.
    UserKeyAdded,
    /// One of them opens nothing any more.
    UserKeyRevoked,
    /// A user has a second factor.
    FactorAdded,
    /// A user has one less, or none any more.
    FactorRemoved,
    /// A passkey has another name.
    FactorRenamed,
    /// A second factor was shown.
    FactorUsed,
    /// A password was right, and a second factor is due, or forbids what was asked for.
    FactorDue,
    /// One was asked for, and what was shown is none.
    FactorFailed,
    /// A user has other recovery codes.
    RecoveryCodesMade,
    /// An invitation opens nothing any more.
    InvitationRevoked,
    /// A new signing key.
    KeyRotated,
    /// An operator asks for something that changes something. On disk before it is done.
    Command,
    /// It was not done.
    CommandRefused,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 44] = [
        Self::RecordBegun,
        Self::RecordMended,
        Self::RecordBroken,
        Self::RecordLost,
        Self::Started,
        Self::Reloaded,
        Self::Stopped,
        Self::HandedOver,
        Self::LoggedIn,
        Self::LoginFailed,
        Self::Throttled,
        Self::Registered,
        Self::SessionEnded,
        Self::TokenReused,
        Self::LoggedOutEverywhere,
        Self::UserAdded,
        Self::UserDeleted,
        Self::Activated,
        Self::Deactivated,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::RoleAdded,
        Self::RoleRemoved,
        Self::ClaimSet,
        Self::ClaimRemoved,
        Self::GroupJoined,
        Self::GroupLeft,
        Self::GroupAdded,
        Self::GroupDeleted,
        Self::GroupRoleAdded,
        Self::GroupRoleRemoved,
        Self::UserKeyAdded,
        Self::UserKeyRevoked,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::FactorRenamed,
        Self::FactorUsed,
        Self::FactorDue,
        Self::FactorFailed,
        Self::RecoveryCodesMade,
        Self::InvitationRevoked,
        Self::KeyRotated,
        Self::Command,
        Self::CommandRefused,
    ];

    /// Its name in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecordBegun => "record.begun",
            Self::RecordMended => "record.mended",
            Self::RecordBroken => "record.broken",
            Self::RecordLost => "record.lost",
            Self::Started => "gateway.started",
            Self::Reloaded => "config.loaded",
            Self::Stopped => "gateway.stopped",
            Self::HandedOver => "gateway.handed_over",
            Self::LoggedIn => "login",
            Self::LoginFailed => "login.failed",
            Self::Throttled => "throttled",
            Self::Registered => "registered",
            Self::SessionEnded => "session.ended",
            Self::TokenReused => "token.reused",
            Self::LoggedOutEverywhere => "logout.everywhere",
            Self::UserAdded => "user.added",
            Self::UserDeleted => "user.deleted",
            Self::Activated => "user.activated",
            Self::Deactivated => "user.deactivated",
            Self::PasswordChanged => "password.changed",
            Self::EmailChanged => "email.changed",
            Self::RoleAdded => "role.added",
            Self::RoleRemoved => "role.removed",
            Self::ClaimSet => "claim.set",
            Self::ClaimRemoved => "claim.removed",
            Self::GroupJoined => "group.joined",
            Self::GroupLeft => "group.left",
            Self::GroupAdded => "group.added",
            Self::GroupDeleted => "group.deleted",
            Self::GroupRoleAdded => "group.role.added",
            Self::GroupRoleRemoved => "group.role.removed",
            Self::UserKeyAdded => "api-key.added",
            Self::UserKeyRevoked => "api-key.revoked",
            Self::FactorAdded => "factor.added",
            Self::FactorRemoved => "factor.removed",
            Self::FactorRenamed => "factor.renamed",
            Self::FactorUsed => "factor.used",
            Self::FactorDue => "factor.due",
            Self::FactorFailed => "factor.failed",
            Self::RecoveryCodesMade => "recovery-codes.made",
            Self::InvitationRevoked => "invitation.revoked",
            Self::KeyRotated => "key.rotated",
            Self::Command => "command",
            Self::CommandRefused => "command.refused",
        }
    }

    /// Whether it is on disk before anybody is answered. What comes often shares a sync each
    /// second with its neighbours.
    pub(super) const fn is_urgent(self) -> bool {
        match self {
            Self::Throttled
            | Self::LoggedIn
            | Self::LoginFailed
            | Self::FactorUsed
            | Self::FactorDue
            | Self::FactorFailed
            | Self::Registered
            | Self::SessionEnded
            | Self::CommandRefused => false,
            Self::RecordBegun
            | Self::RecordMended
            | Self::RecordBroken
            | Self::RecordLost
            | Self::Started
            | Self::Reloaded
            | Self::Stopped
            | Self::HandedOver
            | Self::TokenReused
            | Self::LoggedOutEverywhere
            | Self::UserAdded
            | Self::UserDeleted
            | Self::Activated
            | Self::Deactivated
            | Self::PasswordChanged
            | Self::EmailChanged
            | Self::RoleAdded
            | Self::RoleRemoved
            | Self::ClaimSet
            | Self::ClaimRemoved
            | Self::GroupJoined
            | Self::GroupLeft
            | Self::GroupAdded
            | Self::GroupDeleted
            | Self::GroupRoleAdded
            | Self::GroupRoleRemoved
            | Self::UserKeyAdded
            | Self::UserKeyRevoked
            | Self::FactorAdded
            | Self::FactorRemoved
            | Self::FactorRenamed
            | Self::RecoveryCodesMade
            | Self::InvitationRevoked
            | Self::KeyRotated
            | Self::Command => true,
        }
    }
}
