"""The audit's lines follow from the csv files: a changed digit changes the line, and repaired numbers leave none."""

import shutil
from pathlib import Path

import pytest
from synthetic_results import REPO

from claims.audit.audit import audit
from claims.audit.lines import Line

PUBLISHED = REPO / "config" / "published"
QWEN, DEEPSEEK, MIXTRAL = "qwen1.5-moe-a2.7b-chat", "deepseek-v2-lite", "mixtral-8x7b-instruct-v0.1"
ERROR = "; standard error of a constant answer 0.0037"
SHARED = {QWEN: 4, DEEPSEEK: 2, MIXTRAL: 0}


def counted(total: int, expert: int, router: int, lora: int, layers: int, experts: int) -> dict:
    """As moe.parameter_counts makes it; router = experts x hidden."""
    trained = {"uoe": expert + router, "lora-separate": lora}
    scopes = {name: {"trained": n, "percent": 100 * n / total} for name, n in trained.items()}
    sizes = {"moe_layers": layers, "experts": experts, "hidden": router // experts}
    return {"total": total, "lora_rank": 8, "sizes": sizes, "scopes": scopes}


COUNTS = {
    QWEN: counted(14_315_784_192, 3 * 2048 * 1408, 60 * 2048, 127_402_176, 24, 60),
    DEEPSEEK: counted(15_706_484_224, 3 * 2048 * 1408, 64 * 2048, 144_918_528, 26, 64),
    MIXTRAL: counted(46_702_792_704, 3 * 4096 * 14336, 8 * 4096, 120_061_952, 32, 8),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(PUBLISHED, tmp_path / "published"))


def lines(folder: Path) -> list[Line]:
    return audit(folder, COUNTS, SHARED)


def changed(folder: Path, name: str, old: str, new: str) -> tuple[set[Line], set[Line]]:
    """Lines that go and come when `old` becomes `new` in one csv (a copy: files are read once)."""
    before = set(lines(folder))
    other = Path(shutil.copytree(folder, folder.parent / "changed"))
    text = (other / f"{name}.csv").read_text()
    assert text.count(old) == 1, f"{name}.csv has {text.count(old)} times {old!r}"
    (other / f"{name}.csv").write_text(text.replace(old, new))
    after = set(lines(other))
    return before - after, after - before


def says(audited: set[Line] | list[Line], *words: str) -> Line:
    matching = [line for line in audited if all(word in " ".join(vars(line).values()) for word in words)]
    assert len(matching) == 1, f"{words}: {matching}"
    return matching[0]


def test_known_slips_are_found(folder):
    audited = lines(folder)
    assert says(audited, "table against table", "DeepSeek (WMDP) untouched").arithmetic == "0.5548 - 0.5500 = +0.0048"
    assert says(audited, "Mixtral (WMDP) GA+ESFT: FA is printed").arithmetic == "0.2574 - 0.2547 = +0.0027"
    assert says(audited, "the text gives UT 0.5445").arithmetic == "0.5445 - 0.5485 = -0.0040"
    assert "0.5979 is that of Qwen" in says(audited, "DeepSeek (RWKU) untouched: the text gives").says
    assert says(audited, "RMU+UOE: the text says that FA falls").arithmetic == "0.2859 - 0.2530 = +0.0329"
    assert says(audited, "Qwen (WMDP) GA+LoRA", "score of always answering D").verdict == "looks like a constant answer"
    assert says(audited, "UOE on Mixtral").arithmetic == "176,193,536 / 46,702,792,704 = 0.3773 %"
    assert "42.97 billion" in says(audited, "UOE on Mixtral").says
    assert says(audited, "said to have 4 shared experts", "DeepSeek").verdict == "inconsistent"
    assert says(audited, "ESFT on DeepSeek").arithmetic.endswith("51.84 to 52.02")
    assert says(audited, "v1, caption of Table 7", "has FA 0.0000").verdict == "inconsistent"
    assert says(audited, "FA is higher with UOE in 6 of 16 pairs").arithmetic == "0.0723 - 0.0200 = +0.0523"


def test_every_verdict_is_explained_by_its_arithmetic(folder):
    for line in lines(folder):
        assert all(vars(line).values()), line
        assert "\n" not in line.says


@pytest.mark.parametrize(
    ("name", "old", "new", "words", "arithmetic"),
    [
        ("table1", "original,none,0.3804,0.5500", "original,none,0.3804,0.5501",
         ["DeepSeek (WMDP) untouched: UT is printed"], "0.5548 - 0.5501 = +0.0047"),
        ("table4", "2.7b-chat,rwku,ga,lora,0.0000,0.2689", "2.7b-chat,rwku,ga,lora,0.0000,0.2690",
         ["Qwen (RWKU) GA+LoRA", "within a standard error"], "0.2690 - 0.2689 = +0.0001" + ERROR),
        ("table3", "mixtral-8x7b-instruct-v0.1,uoe,0.41", "mixtral-8x7b-instruct-v0.1,uoe,0.38",
         ["UOE on Mixtral: printed 0.38 %"], "176,193,536 / 46,702,792,704 = 0.3773 %"),
        ("table10", "uoe,100,0.0,0.5471", "uoe,100,0.0,0.5171",
         ["lead over α = 100"], "(0.5485 - 0.5171) / 0.0060 = 5.28"),
        ("v2_table7", "same-layer,1+shared,~0.25,0.2445", "same-layer,1+shared,~0.25,0.2465",
         ["1+shared", "is the score of always answering B"], "0.2465 - 0.2465 = +0.0000" + ERROR),
    ],
)  # fmt: skip
def test_a_changed_digit_changes_the_line(folder, name, old, new, words, arithmetic):
    gone, come = changed(folder, name, old, new)
    assert says(come, *words).arithmetic == arithmetic and gone


def test_a_repaired_number_leaves_no_slip(folder):
    gone, come = changed(folder, "v2_table9", "esft,0.2574", "esft,0.2547")
    assert says(gone, "Mixtral (WMDP) GA+ESFT: FA is printed").verdict == "inconsistent"
    assert not [line for line in come if line.verdict == "inconsistent"]
    assert says(come, "the same everywhere").arithmetic == "51 of 52"


def test_possible_counts_by_brute_force(folder):
    """Every k of 1,987, written with four digits by rounding and by cutting."""
    rounded = {f"{k / 1987:.4f}" for k in range(1988)}
    cut = {f"{k * 10**4 // 1987 / 10**4:.4f}" for k in range(1988)}
    impossible = {line.says.split("gives FA ")[1].split(",")[0] for line in lines(folder) if "gives FA " in line.says}
    assert impossible and not impossible & (rounded | cut)
    gone, come = changed(folder, "table6", "rmu,random,0.3505,", "rmu,random,0.3503,")
    assert says(gone, "gives FA 0.3505") and not [line for line in come if "gives FA 0.3503" in line.says]
