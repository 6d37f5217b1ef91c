//! What operators do with groups.

use super::super::{GroupView, Refusal, RefusalKind, Reply, checks};
use super::Door;
use crate::printable::Printable;
use crate::session::normalize_username;
use crate::store::{Group, GroupChange, UserChange};

/// Members that are shown.
const SHOWN: usize = 500;

impl Door {
    pub(super) async fn add_group(&self, name: &str) -> Result<Reply, Refusal> {
        let name = checks::group(name)?;
        let Some(group) = self.accounts.create_group(&name).await? else {
            let detail = format!("there is a group `{}` already", Printable(&name));
            return Err(Refusal::new(RefusalKind::NameTaken, detail));
        };
        tracing::info!(group = name, "group added by an operator");
        Ok(Reply::Group(group.into()))
    }

    pub(super) async fn list_groups(&self) -> Result<Reply, Refusal> {
        let groups = self.accounts.groups().await?;
        Ok(Reply::Groups { groups: groups.into_iter().map(GroupView::from).collect() })
    }

    pub(super) async fn show_group(&self, name: &str) -> Result<Reply, Refusal> {
        let group = self.find_group(name).await?;
        let members = self.accounts.group_members(&group.name, None, SHOWN + 1).await?;
        let more = members.len() > SHOWN;
        let names = members.into_iter().take(SHOWN).map(|member| member.username);
        let members = Some(names.collect());
        Ok(Reply::Group(GroupView { members, more, ..group.into() }))
    }

    pub(super) async fn delete_group(&self, name: &str) -> Result<Reply, Refusal> {
        let name = normalize_username(name);
        if !self.accounts.delete_group(&name).await? {
            return Err(unknown(&name));
        }
        tracing::info!(group = name, "group deleted by an operator");
        Ok(Reply::Deleted { username: name })
    }

    pub(super) async fn give_role(&self, group: &str, role: String) -> Result<Reply, Refusal> {
        checks::role(&role)?;
        self.change_group(group, GroupChange::AddRole(role)).await
    }

    // No check of the name: an odd one may have come with an import.
    pub(super) async fn take_role(&self, group: &str, role: String) -> Result<Reply, Refusal> {
        self.change_group(group, GroupChange::RemoveRole(role)).await
    }

    async fn change_group(&self, name: &str, change: GroupChange) -> Result<Reply, Refusal> {
        let name = normalize_username(name);
        let changed = self.accounts.change_group(&name, change).await?;
        let group = changed.ok_or_else(|| unknown(&name))?;
        tracing::info!(group = name, "group changed by an operator");
        Ok(Reply::Group(group.into()))
    }

    pub(super) async fn join(&self, user: &str, group: &str) -> Result<Reply, Refusal> {
        let group = self.find_group(group).await?;
        self.change(user, UserChange::JoinGroup(group.name)).await
    }

    pub(super) async fn leave(&self, user: &str, group: &str) -> Result<Reply, Refusal> {
        let group = self.find_group(group).await?;
        self.change(user, UserChange::LeaveGroup(group.name)).await
    }

    async fn find_group(&self, name: &str) -> Result<Group, Refusal> {
        let found = self.accounts.group(&normalize_username(name)).await?;
        found.ok_or_else(|| unknown(name))
    }
}

fn unknown(name: &str) -> Refusal {
    let detail = format!("there is no group `{}`", Printable(name));
    Refusal::new(RefusalKind::NotFound, detail)
}
