"""Which stages and which environment each rule runs, read from the rules."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
STAGE = r'(?:model_)?stage\(\s*"(\w+)"'


def rules() -> dict[str, dict]:
    """Rule -> {"stage": script without .py, "conda": kind or None, "outputs": whether it has any}.

    `use rule` runs its origin's stage. A command may stand above its rule, under a name.
    """
    read: dict[str, dict] = {}
    for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]:
        text = path.read_text()
        commands = dict(re.findall(rf"^(\w+) = {STAGE}", text, flags=re.MULTILINE))
        for block in re.split(r"\n(?=(?:use )?rule )", text)[1:]:
            if used := re.match(r"use rule (\w+) as (\w+)", block):
                read[used.group(2)] = read[used.group(1)]
                continue
            name = re.match(r"rule (\w+)", block).group(1)
            shell = block.partition("\n    shell:")[2].split("\n\n")[0]
            stages = re.findall(STAGE, shell) + re.findall(r"workflow_scripts/(\w+)\.py", shell)
            stages += [commands[word] for word in re.findall(r"\w+", shell) if word in commands]
            conda = re.search(r"conda:\s+\"../envs/(\w+)\.yaml\"", block)
            kind = conda.group(1) if conda else None
            read[name] = {"stage": stages[0] if stages else None, "conda": kind, "outputs": "\n    output:" in block}
    return read
