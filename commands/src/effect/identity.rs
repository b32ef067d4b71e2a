//! Identity: what is done when a person's data is erased.

pub mod destroy_keys_when_subject_is_erased;

use crate::effect::Effect;
use crate::port::Ports;

pub(super) fn effects(ports: &Ports) -> Vec<Box<dyn Effect>> {
    vec![Box::new(destroy_keys_when_subject_is_erased::DestroyKeysWhenSubjectIsErased {
        vault: ports.vault.clone(),
    })]
}
