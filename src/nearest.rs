//! "Did you mean …?": the right word for a misspelt one. The one place that knows how near two words are.

/// Words that are longer are no slips, and the distance takes time in proportion to the square of the length.
const LONGEST: usize = 64;

/// The candidate that `word` most probably was meant to be, if any is near enough to be worth saying: with one slip of
/// the finger in a short word, or with slips in a third of a longer one. Case makes no difference.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    if length > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.chars().count();
            let slack = (length.max(other) / 3).max(1);
            // What differs more in length alone need not be compared.
            let is_near = other <= LONGEST && length.abs_diff(other) <= slack;
            let distance = is_near.then(|| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()))?;
            (distance <= slack).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let keys = ["memory", "cpus", "ip", "forward", "box"];
        assert_eq!(nearest("memroy", keys), Some("memory"));
        assert_eq!(nearest("Memory", keys), Some("memory"));
        assert_eq!(nearest("cpu", keys), Some("cpus"));
        assert_eq!(nearest("forwards", keys), Some("forward"));
        assert_eq!(nearest("disk", keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn long_words_are_no_slips() {
        let (long, longer) = ("x".repeat(LONGEST), "x".repeat(LONGEST + 1));
        assert_eq!(nearest(&long, [long.as_str()]), Some(long.as_str()));
        assert_eq!(nearest(&longer, [longer.as_str()]), None);
        assert_eq!(nearest(&long, [longer.as_str()]), None);
    }
}
