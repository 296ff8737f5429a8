//! "Did you mean": the name nearest to what was typed.

/// Longer names, in bytes, are not compared: the work grows with the square of the length.
const MAX_LENGTH: usize = 500;

/// The candidate nearest to `typed`, or `None` when none is near enough to be a likely slip.
///
/// Letter case is free (a name that differs in case alone always wins); otherwise at most a third of the letters may
/// differ, counted as insertions, deletions, replacements and swaps of neighbours.
pub fn closest<'c>(typed: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if typed.len() > MAX_LENGTH {
        return None;
    }
    let typed_lower = typed.to_lowercase();
    let length = typed_lower.chars().count();
    let allowed = (length / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != typed && candidate.len() <= MAX_LENGTH)
        .map(|candidate| (candidate.to_lowercase(), candidate))
        // As many letters differ as the one has more than the other; that is known at once.
        .filter(|(lower, _)| lower.chars().count().abs_diff(length) <= allowed)
        .map(|(lower, candidate)| (strsim::osa_distance(&typed_lower, &lower), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// `did you mean "x"?` for the nearest candidate, ready to be a diagnostic's help.
pub fn did_you_mean<'c>(typed: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    closest(typed, candidates).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(closest("deparment", ["department", "displayName"]), Some("department"));
        assert_eq!(closest("tolower", ["ToUpper", "ToLower"]), Some("ToLower"));
        assert_eq!(closest("Swicth", ["Switch", "Split"]), Some("Switch"));
        assert_eq!(closest("xyz", ["mail", "city"]), None);
    }
}
