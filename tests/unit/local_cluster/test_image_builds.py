from pathlib import Path

from local_cluster.image_builds import ROOTFS, digest


def test_a_digest_tells_content_place_and_the_right_to_run(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("x")
    seen = {digest([], tmp_path)}
    file.write_text("y")
    seen.add(digest([], tmp_path))
    file.chmod(0o755)
    seen.add(digest([], tmp_path))
    file.rename(tmp_path / "b")
    seen.add(digest([], tmp_path))
    seen.add(digest(["word"], tmp_path))
    assert len(seen) == 5


def test_what_python_compiles_for_itself_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x")
    before = digest([], tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("y")
    assert digest([], tmp_path) == before


def test_the_nodes_programs_may_be_run() -> None:
    assert all(file.stat().st_mode & 0o111 for file in (ROOTFS / "usr/local/bin").iterdir())
