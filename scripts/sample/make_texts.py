"""Join sampled stories and the pages written for the project into one plain text."""

import argparse
from pathlib import Path

from make_stories import END


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=Path, required=True)
    parser.add_argument("--pages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--characters", type=int, required=True, help="of stories, about")
    options = parser.parse_args()
    chosen: list[str] = []
    for story in options.stories.read_text().split(f"\n{END}\n"):
        if story and sum(map(len, chosen)) < options.characters:
            chosen.append(story)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n\n".join([*chosen, options.pages.read_text().strip()]) + "\n")


if __name__ == "__main__":
    main()
