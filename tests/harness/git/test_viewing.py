"""What git draws and checks out of a run, untrusted runs included."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.git import GitError, Repository
from harness.git.viewing import add_worktree, graph, plain_files
from tests.harness.archive.archives import changing, family, fsck, git, new


def test_the_graph_has_every_attempt_newest_first(tmp_path: Path) -> None:
    with new(tmp_path / "run") as archive:
        ids = [entry.id for entry in family(archive)]
        drawn = graph(archive.path, reversed(ids))
        lines = [line for line in drawn.lines() if line.commit]
        assert [line.commit for line in lines][-1] == archive.root_id and {line.commit for line in lines} >= set(ids)
        assert drawn.width == max(len(line.drawing) for line in drawn.lines()) > 1
        places = [line.commit for line in lines]
        assert places.index(ids[3]) < places.index(ids[1]) < places.index(ids[0]), "children stand above parents"
        newest = [line.commit for line in graph(archive.path, ids[3:], ids[1:3]).lines() if line.commit]
        assert sorted(newest) == sorted(ids[3:])


def test_a_graph_over_a_missing_object_says_so(tmp_path: Path) -> None:
    with new(tmp_path / "run") as archive, pytest.raises(GitError, match="cannot draw the graph"):
        graph(archive.path, ["1" * 40])


def test_a_work_tree_holds_the_bytes_and_git_works_in_it(tmp_path: Path) -> None:
    with new(tmp_path / "run") as archive:
        entries = family(archive)
        repository = Repository(archive.path)
        files = plain_files(repository, entries[3].id)
        folder = tmp_path / "work"
        add_worktree(archive.path, folder, entries[3].id, files)
        assert set(files) == {"program.py", "reply.md", "attempt.json"}
        assert {name: (folder / name).read_bytes() for name in files} == files
        assert git(folder, "status", "--porcelain") == "" and git(folder, "rev-parse", "HEAD").strip() == entries[3].id
        (folder / "program.py").write_text("x = 1\n")
        assert "-ROUNDS = 6" in git(folder, "diff")
        # The run goes on, and its upkeep leaves the work tree alone.
        archive.append(changing(archive, 9, [entries[1].id], "SLACK = 0.5", "SLACK = 0.75"))
        git(archive.path, "gc", "--quiet")
        git(archive.path, "worktree", "prune")
        assert git(folder, "diff", "--name-only") == "program.py\n" and fsck(archive.path) == ""
        repository.close()


def test_a_folder_that_was_a_work_tree_and_is_gone_may_be_one_again(tmp_path: Path) -> None:
    with new(tmp_path / "run") as archive:
        seed = family(archive)[0]
        folder = tmp_path / "work"
        for _ in range(2):
            add_worktree(archive.path, folder, seed.id, {"program.py": b"x\n"})
            assert (folder / "program.py").read_bytes() == b"x\n"
            shutil.rmtree(folder)


def test_a_work_tree_that_cannot_be_completed_is_removed(tmp_path: Path) -> None:
    with new(tmp_path / "run") as archive:
        seed = family(archive)[0]
        with pytest.raises(FileNotFoundError):
            add_worktree(archive.path, tmp_path / "work", seed.id, {"program.py": b"", "no/such": b""})
        assert not (tmp_path / "work").exists() and git(archive.path, "worktree", "list").count("\n") == 1


def test_an_untrusted_repository_runs_and_links_nothing(tmp_path: Path) -> None:
    """Hooks, filters and monitors in its config; links and attributes in its trees."""
    with new(tmp_path / "run") as archive:
        seed = family(archive)[0]
        run, bait = archive.path, tmp_path / "bait"
        (run / "hooks").mkdir()
        for hook in ("post-checkout", "post-index-change", "reference-transaction"):
            (run / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {bait}\n")
            (run / "hooks" / hook).chmod(0o755)
        for key in ("core.fsmonitor", "filter.evil.smudge", "filter.evil.clean", "gpg.program"):
            git(run, "config", key, f"touch {bait}")
        git(run, "config", "log.showSignature", "true")
        program = git(run, "rev-parse", f"{seed.id}:program.py").strip()
        blobs = {}
        for name, text in {"attributes": "* filter=evil text eol=crlf\n", "link": "/etc/passwd"}.items():
            (tmp_path / name).write_text(text)
            blobs[name] = git(run, "hash-object", "-w", str(tmp_path / name)).strip()
        rows = (
            f"100644 blob {blobs['attributes']}\t.gitattributes\n120000 blob {blobs['link']}\treply.md\n"
            f"100644 blob {program}\tprogram.py\n100644 blob {program}\t--option\n"
        )
        tree = run_mktree(run, rows)
        commit = git(run, "-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "x", tree).strip()
        repository = Repository(run)
        files = plain_files(repository, commit)
        repository.close()
        assert set(files) == {"program.py"}
        add_worktree(run, tmp_path / "work", commit, files)
        assert [line.commit for line in graph(run, [commit]).lines()] == [commit]
        assert sorted(path.name for path in (tmp_path / "work").iterdir()) == [".git", "program.py"]
        assert (tmp_path / "work" / "program.py").read_bytes() == files["program.py"] and not bait.exists()


def run_mktree(run: Path, rows: str) -> str:
    done = subprocess.run(["git", "mktree"], cwd=run, input=rows.encode(), capture_output=True, check=True)
    return done.stdout.decode().strip()
