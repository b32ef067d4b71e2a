//! Identity: what is mailed to people, and what is done when a person's data is erased.

pub mod destroy_keys_when_subject_is_erased;
pub mod discard_credential_when_replaced;
pub mod mail_invitation_when_sent;
pub mod mail_link_when_asked;

use crate::effect::Effect;
use crate::port::Ports;

pub(super) fn effects(ports: &Ports) -> Vec<Box<dyn Effect>> {
    vec![
        Box::new(destroy_keys_when_subject_is_erased::DestroyKeysWhenSubjectIsErased {
            vault: ports.vault.clone(),
        }),
        Box::new(discard_credential_when_replaced::DiscardCredentialWhenReplaced {
            credentials: ports.credentials.clone(),
        }),
    ]
}
