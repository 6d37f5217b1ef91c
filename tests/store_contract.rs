//! What every store must do, case by case, and what redb must do besides.
//!
//! A new backend adds one line to `backends!` below.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what is not as it must be fails the test"
)]

#[path = "store_contract/admission.rs"]
mod admission;
#[path = "store_contract/build.rs"]
mod build;
#[path = "store_contract/disk.rs"]
mod disk;
#[path = "store_contract/formats.rs"]
mod formats;
#[path = "store_contract/groups.rs"]
mod groups;
#[path = "store_contract/keys.rs"]
mod keys;
#[path = "store_contract/mail.rs"]
mod mail;
#[path = "store_contract/moving.rs"]
mod moving;
#[path = "store_contract/redb_copy.rs"]
mod redb_copy;
#[path = "store_contract/redb_crash.rs"]
mod redb_crash;
#[path = "store_contract/redb_faults.rs"]
mod redb_faults;
#[path = "store_contract/redb_model.rs"]
mod redb_model;
#[path = "store_contract/redb_open.rs"]
mod redb_open;
#[path = "store_contract/rotation.rs"]
mod rotation;
#[path = "store_contract/sessions.rs"]
mod sessions;
#[path = "store_contract/users.rs"]
mod users;

use std::any::Any;
use std::sync::Arc;

use portcullis::store::{OpenMode, RedbStore, Store};

/// An empty store, and what must outlive it.
type Subject = (Arc<dyn Store>, Box<dyn Any>);

fn redb_in_memory() -> Subject {
    (Arc::new(RedbStore::in_memory().unwrap()), Box::new(()))
}

fn redb_in_a_file() -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.redb");
    let store = RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap();
    (Arc::new(store), Box::new(dir))
}

/// The whole contract, against one backend.
macro_rules! contract {
    ($make:path; $($room:ident: $($case:ident)+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let (store, _kept) = $make();
                crate::$room::$case(&store).await;
            }
        )+)+
    };
}

macro_rules! backends {
    ($($backend:ident)+) => {
        $(mod $backend {
            contract! {
                crate::$backend;
                users:
                    a_new_user_is_found_by_id_and_by_name
                    a_name_is_given_to_one_of_many
                    a_taken_name_changes_nothing
                    names_are_compared_as_given
                    who_is_not_there_is_no_error
                    users_come_in_pages_by_id
                    an_id_is_never_given_twice
                    a_password_change_draws_its_mark
                    a_rehash_needs_the_hash_that_was_seen
                    roles_stay_sorted_and_unique
                    each_other_change_does_what_it_says
                    concurrent_changes_are_all_kept
                    deletion_takes_everything_along
                    the_recipes_of_hashes_are_those_that_somebody_has;
                admission:
                    without_terms_a_name_is_enough
                    an_address_is_given_to_one_of_many
                    a_look_is_given_to_one_of_many
                    clashes_are_those_of_names_looks_and_addresses
                    an_address_finds_all_who_have_it_now
                    of_many_with_one_invitation_one_is_made
                    an_invitation_is_used_as_often_as_it_says
                    who_is_not_made_uses_nothing_up
                    an_invitation_is_good_for_its_address_and_time
                    invitations_are_listed_and_taken_back;
                sessions:
                    a_session_is_kept_as_it_was_started
                    session_numbers_increase_and_never_return
                    a_session_needs_a_user
                    a_login_by_an_old_password_starts_nothing
                    a_new_password_leaves_the_session_that_it_starts
                    of_many_password_changes_one_wins
                    the_sessions_of_a_user_come_by_number
                    sessions_come_in_pages_the_newest_first
                    a_use_is_noted_unless_a_later_one_is_known
                    another_tag_is_another_session
                    a_session_ends_once_for_the_first_reason
                    a_touch_lifts_the_end_and_never_lowers_it
                    a_touch_leaves_an_ended_session_alone
                    a_mark_covers_what_was_and_not_what_comes
                    a_foreign_token_is_adopted_once
                    standing_is_user_and_session_at_once
                    a_sweep_takes_what_is_dead_and_nothing_else
                    a_sweep_frees_adopted_tokens
                    a_large_sweep_is_complete;
                rotation:
                    a_current_token_is_rotated
                    of_many_rotations_one_wins
                    a_spent_token_repeats_its_own_successor_within_the_grace
                    after_the_grace_reuse_ends_the_session
                    without_grace_a_second_use_ends_the_session
                    an_unknown_token_ends_its_session
                    reuse_ends_only_its_family
                    an_ended_session_rotates_no_more
                    an_unknown_session_is_unknown
                    a_session_without_refresh_token_has_nothing_to_rotate
                    only_the_latest_spent_tokens_are_kept;
                keys:
                    the_first_api_key_stays
                    of_many_candidates_one_is_kept
                    an_api_key_finds_its_user
                    an_api_key_needs_a_user
                    an_api_key_never_changes_hands
                    a_key_that_a_user_made_is_found_with_its_owner
                    a_key_without_scopes_is_not_one_for_no_role
                    a_user_makes_so_many_keys
                    a_key_that_a_user_made_never_changes_hands
                    keys_come_by_owner_and_in_pages
                    the_last_use_of_a_key_is_kept
                    a_sweep_takes_keys_whose_time_is_over;
                moving:
                    a_newcomer_is_kept_with_everything
                    who_is_there_is_not_changed
                    news_about_who_is_there_are_added
                    a_clash_changes_nothing
                    a_key_that_was_taken_back_does_not_come_back
                    a_token_belongs_to_the_first_who_brings_it
                    numbers_are_lifted_and_never_lowered
                    groups_come_with_their_roles_and_members_with_theirs
                    an_invitation_comes_once_and_never_again
                    an_id_that_was_given_elsewhere_is_nobodys;
                groups:
                    a_group_is_made_once_and_found
                    a_member_has_the_roles_of_its_groups
                    what_is_inherited_is_never_written_to_the_user
                    a_change_of_a_group_is_one_of_all_its_members
                    a_deleted_group_gives_nothing_nor_does_its_heir
                    members_come_in_pages_by_id;
                mail:
                    an_address_finds_all_who_have_it
                    letters_come_in_the_order_in_which_they_are_due
                    a_claimed_letter_comes_back
                    of_many_claims_one_has_a_letter
                    the_queue_is_bounded
                    a_reset_goes_to_every_account_that_it_can_help
                    a_token_is_good_for_its_user_purpose_and_time
                    a_password_token_is_used_once_and_ends_sessions
                    an_email_token_verifies_the_address_it_went_to
                    a_unique_address_is_confirmed_by_one_of_many
                    an_address_that_is_shared_already_can_be_confirmed
                    a_token_is_void_when_its_account_is_another
                    a_deleted_user_leaves_no_token
                    so_many_tokens_are_kept
                    a_sweep_takes_tokens_whose_time_is_over;
            }
        })+
    };
}

backends! {
    redb_in_memory
    redb_in_a_file
}
