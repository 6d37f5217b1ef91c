//! The operator's door: what an operator can do, the same through the unix socket of a running
//! gateway and, while none runs, by opening the store itself.
//!
//! [`Door`] carries a [`Command`] out; [`AdminSocket`] and [`AdminListener`] let commands in,
//! [`Client`] sends them.

mod answer;
mod backup;
mod checks;
mod client;
mod command;
mod door;
mod explained;
mod feed;
mod past;
mod record;
mod refusal;
mod serve;
mod sessions;
mod settings;
mod socket;
mod state;
mod stream;
mod take_over;
mod tcp;
mod transfer;
mod view;

pub use backup::{Backup, BackupError, BackupRequest, Head, Part, Rows};
#[cfg(any(feature = "cli", test))]
pub(crate) use checks::group as check_group;
pub use client::{Client, ClientError};
pub use command::{
    ApiKeyAdd, ApiKeyList, AuditCommand, AuditFault, AuditFilter, AuditLines, AuditState, Command,
    InvitationView, NewPassword, PolicyCommand, PolicyView, Reply, SecretLink, SessionList,
    SessionView, UserFilter, UserKeyView,
};
pub use door::{Door, MetricsText};
pub use explained::{
    AlternativeTold, Asked, Decision, EndpointTold, HeaderTold, ReadingTold, RequestTold,
    RouteTold, Told, TrialTold, UpstreamTold,
};
pub use feed::Feed;
pub use past::{
    PastAlternative, PastCaller, PastEnd, PastIdentity, PastPolicy, PastRoute, PastView,
};
pub use record::{
    DeletedRecord, FactorsRecord, GrantRecord, GroupRecord, Hidden, InvitationRecord, KeyRecord,
    MarkRecord, PasskeyRecord, Reason, Record, SecondRecord, SessionRecord, UserKeyRecord,
    UserRecord,
};
pub use refusal::{Refusal, RefusalKind};
pub(crate) use settings::SHORTEST_TOKEN;
pub use settings::{AdminSettings, AdminTcp};
pub use socket::{AdminSocket, SocketError};
pub use state::{
    CertificateView, LoadView, PolicyState, RouteView, ServerView, SpanView, StateView,
    UpstreamView,
};
pub use take_over::{Incumbent, Successor, TakeOverError};
pub use tcp::{AdminBindError, AdminListener};
pub use transfer::{ImportRoles, Outcome, Place};
pub use view::{FactorsView, GroupView, Health, KeyView, UserView};

/// The longest path of a unix socket in bytes: `sun_path` of unix(7), without the NUL.
const LONGEST_PATH: usize = 107;
