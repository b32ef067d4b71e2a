//! Identity: what is done when a person's data is erased.

pub mod destroy_keys_when_subject_is_erased;
