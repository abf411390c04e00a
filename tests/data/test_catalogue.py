import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serendip.data import catalogue
from serendip.errors import InputError


class Handler(http.server.SimpleHTTPRequestHandler):
    """A file server without chatter, that cuts `cut.csv` short."""

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self.path.endswith("cut.csv"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"a\n1\n")
        return None


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on a local server, with `toy`, `cut` and `gone` in the catalogue."""
    folder = tmp_path / "remote"
    folder.mkdir()
    (folder / "toy.csv").write_text("a\n1\n")
    monkeypatch.delenv(catalogue.DATA_FOLDER, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    sets = {
        name: catalogue.PublicSet("a toy", f"{name}.csv", address, "CC0", f"{address}/{name}.csv", (f"sub/{name}.csv",))
        for name in ("toy", "cut", "gone")
    }
    monkeypatch.setattr(catalogue, "CATALOGUE", sets)
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_download_is_kept_and_its_hash_pinned(remote: Path, tmp_path: Path) -> None:
    path = catalogue.fetch("toy", tmp_path / "cache")
    (remote / "toy.csv").unlink()
    assert catalogue.fetch("toy", tmp_path / "cache") == path
    assert path.read_text() == "a\n1\n"
    assert len(json.loads((path.parent / catalogue.HASHES).read_text())["toy.csv"]) == 64
    assert sorted(one.name for one in path.parent.iterdir()) == [catalogue.HASHES, "toy.csv"]


def test_a_changed_file_names_both_hashes_and_the_way_out(remote: Path, tmp_path: Path) -> None:
    path = catalogue.fetch("toy", tmp_path / "cache")
    pinned = json.loads((path.parent / catalogue.HASHES).read_text())["toy.csv"]
    path.write_text("a\n2\n")
    with pytest.raises(InputError, match=rf"toy.csv: Got SHA-256 [0-9a-f]{{64}}, but expected {pinned}.*Delete"):
        catalogue.fetch("toy", tmp_path / "cache")


def test_a_public_file_that_changed_is_noticed(remote: Path, tmp_path: Path) -> None:
    catalogue.fetch("toy", tmp_path / "cache").unlink()
    (remote / "toy.csv").write_text("a\n3\n")
    with pytest.raises(InputError, match="SHA-256"):
        catalogue.fetch("toy", tmp_path / "cache")


def test_a_local_copy_goes_before_the_network(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/sub/gone.csv").write_text("a\n")
    monkeypatch.setenv(catalogue.DATA_FOLDER, str(tmp_path / "data"))
    assert catalogue.fetch("gone", tmp_path / "cache") == tmp_path / "data/sub/gone.csv"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["gone", "cut"])
def test_a_failed_download_gives_the_address_and_the_place_and_leaves_nothing(
    remote: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match=rf"http://127.0.0.1:\d+/{name}.csv.*by hand.*cache/{name}.csv"):
        catalogue.fetch(name, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_network_gives_the_address_and_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(catalogue.DATA_FOLDER, raising=False)
    closed = "http://127.0.0.1:9/toy.csv"
    monkeypatch.setattr(catalogue, "CATALOGUE", {"toy": catalogue.PublicSet("", "toy.csv", closed, "", closed)})
    with pytest.raises(InputError, match=rf"{closed} .*by hand.*{tmp_path}/toy.csv"):
        catalogue.fetch("toy", tmp_path)


def test_a_file_put_there_by_hand_is_taken(remote: Path, tmp_path: Path) -> None:
    (tmp_path / "gone.csv").write_text("a\n5\n")
    assert catalogue.fetch("gone", tmp_path) == tmp_path / "gone.csv"


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'lhco_rnd'"):
        catalogue.fetch("lhco_rd")


def test_every_set_says_where_it_comes_from() -> None:
    for name in catalogue.names():
        known = catalogue.describe(name)
        assert known.description
        assert known.licence
        assert known.page.startswith("https://")
        assert known.url or known.local


def test_a_set_without_an_address_sends_to_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(catalogue.DATA_FOLDER, raising=False)
    with pytest.raises(InputError, match=r"by hand from https://opendata.cern.ch/record/545"):
        catalogue.fetch("cms_zmumu", tmp_path)


def test_the_shipped_copies_are_found(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalogue.DATA_FOLDER, str(real_data))
    assert catalogue.fetch("lhco_rnd").name.endswith(".features.h5")
    assert catalogue.fetch("cms_zmumu").name == "Zmumu_Run2011A_masses.csv.gz"
