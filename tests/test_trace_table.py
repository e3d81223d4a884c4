"""The TRACE table: rows labelled as reconstruction, pairs together, and what the weights could not match is named."""

import json

from synthetic_results import build
from table_helpers import layered_config, make, value


def test_rows_and_what_stands_beside(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    table = make(root, config, "trace")
    rows = [row for row in dict.fromkeys(table.frame["row"]) if row not in ("Pretrained", "Retrained")]
    assert rows[:4] == ["GDIFF", "GDIFF+TRACE (reconstruction)", "GDIFF+UOE", "GDIFF+TRACE (reconstruction)+UOE"]
    assert len(rows) == 12 and sum("TRACE" in row for row in rows) == 6
    assert all("(reconstruction)" in row for row in rows if "TRACE" in row)
    assert value(table, "GDIFF+UOE", "micro-qwen", "wmdp-cyber", "UT")["published"] == "0.5295"
    assert value(table, rows[3], "micro-qwen", "wmdp-cyber", "UT")["published"] == ""
    assert any("not available" in note and "weigh_retain_tokens.py" in note for note in table.notes)
    assert not any("Not matched" in note for note in table.notes)


def test_residuals_are_named_expert_by_expert(tmp_path):
    config = layered_config()
    root = build(tmp_path, config)
    path = root / "token_weights/trace/micro-qwen/wmdp-cyber/seed-0.json"
    record = json.loads(path.read_text())
    wanted = {"layer": 3, "expert": 7, "forget": 0.5, "retain": 0.0}
    record["experts"].append(wanted | {"weighted": 0.2, "residual": -0.3, "matched": False})
    path.write_text(json.dumps(record))
    table = make(root, config, "trace")
    (note,) = (note for note in table.notes if "Not matched" in note)
    assert note.startswith("Qwen (WMDP), seed 0: 2 forget-critical experts")
    assert note.endswith("layer 3 expert 7 (wanted 0.500, reached 0.200, residual -0.300).")
    record["experts"] = []
    path.write_text(json.dumps(record))
    table = make(root, config, "trace")
    assert any(note == "Qwen (WMDP), seed 0: no forget-critical expert, so all weights are 1." for note in table.notes)
