//! Any byte string ends in a value or a finding, quickly; what passes `check` does not fail for a static reason.
