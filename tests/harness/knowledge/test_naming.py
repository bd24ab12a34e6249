import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.knowledge.naming import _EMPTY, _OPPOSED, _stem, keys, near, words

NAMES = st.one_of(
    st.text(),
    st.lists(st.sampled_from(("pack", "swaps", "numba", "loop", "no", "cached", "v2", "16", "a", "the"))).map("_".join),
)


@pytest.mark.parametrize(
    "names",
    [
        ("vectorise_packing", "VectorizedPacking", "vectorise_the_packing_v2", "Vectorising packings!"),
        ("chunk_16", "chunk_64", "chunks_0p5"),
        ("set_min_gain_0p0001_to_5em05", "min_gain_1e-3"),
        ("cached_parts", "caching parts", "cache part", "cacheParts"),
        ("2opt_swaps", "opt_swap_3"),
    ],
)
def test_an_idea_has_the_same_words_under_all_its_names(names: tuple[str, ...]) -> None:
    assert len({words(name) for name in names}) == 1 and words(names[0])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("vectorise_packing", "vectorise_replication"),
        ("remove_numba", "add_numba"),
        ("more_depth", "less_depth"),
        ("one_or_one_a_node", "one_on_each_node"),
        ("float32_loads", "float64_loads"),
        ("donors_8_steps_12", "donors_6"),
        ("sort_heavy_experts_once_without_copy", "sort_heavy_experts_once_copy"),
    ],
)
def test_other_ideas_are_not_near(first: str, second: str) -> None:
    assert not near(words(first), words(second))


def test_one_word_in_four_may_differ() -> None:
    assert near(words("swap_heaviest_between_nodes"), words("swap_heaviest_nodes"))
    assert not near(words("swap_nodes"), words("swap_heaviest_nodes"))


def test_a_name_that_says_nothing_leaves_it_to_the_description() -> None:
    said = "Improve the speed: replace the loop by a sorted table of prefix sums, so that no scan is needed."
    assert words("improved_version_3", said) == words("", said) != ()
    assert words("v2", "") == words("", "") == words("42", "!?") == ()
    assert words("prefix_sums", said) == words("prefix_sums")
    merged = [f"The changes of {one} (attempt 2) and careful (attempt 1), merged." for one in ("hasty", "sorted_rows")]
    assert len({words("cross_2_with_1", said) for said in merged}) == 2


def test_words_that_count_for_nothing_are_stems_or_whole_words() -> None:
    assert all(_stem(word) in _OPPOSED for word in ("avoid", "disabled", "fewer", "less", "more", "removes", "skipped"))
    assert all(words(word) == () for word in ("improves", "optimised", "optimization", "replaces", "faster", "speedup"))
    assert not _EMPTY & _OPPOSED


@settings(deadline=None)
@given(NAMES, NAMES)
@example("", "")
@example("a" * 10_000, "\u202e\ud800\0" * 5_000)
def test_any_text_is_read_quickly_and_always_alike(name: str, description: str) -> None:
    found = words(name, description)
    assert found == words(name, description) == tuple(sorted(set(found)))
    assert len(found) <= 8 and all(0 < len(word) <= 3 * 24 for word in found)


@given(NAMES, NAMES)
def test_two_that_are_near_have_a_key_in_common(first: str, second: str) -> None:
    mine, theirs = words(first), words(second)
    assert near(mine, theirs) == near(theirs, mine) and near(mine, mine)
    assert set(keys(mine)) <= set(mine) and bool(keys(mine)) == bool(mine)
    if near(mine, theirs) and mine:
        assert set(keys(mine)) & set(keys(theirs))
