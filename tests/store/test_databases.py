"""What holds on both kinds of database."""

import threading

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, StatementError

from store import schema
from store.dialect import StoreError
from store.due import DueMark
from store.engine import check_integrity, open_databases, reading


@pytest.fixture
def databases(store):
    return store.databases


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "postgresql+psycopg://u:pw-marker@127.0.0.1:1/d",
        "postgresql+psycopg://u:pw-marker@127.0.0.1:1",
        "mysql://u:pw-marker@h/d",
        "pw-marker",
    ],
)
def test_a_database_that_is_not_there_is_refused_without_its_password(url):
    with pytest.raises(StoreError) as refused:
        open_databases(url)

    assert "pw-marker" not in str(refused.value)


def test_the_migrations_make_the_schema_of_the_code(databases):
    for part, metadata in (("inbox", schema.inbox), ("ledger", schema.ledger)):
        engine = getattr(databases, part)
        for table in metadata.sorted_tables:
            found = inspect(engine)
            made = {
                column["name"]: (column["nullable"], column["type"].compile(engine.dialect))
                for column in found.get_columns(table.name)
            }
            said = {c.name: (c.nullable, c.type.compile(engine.dialect)) for c in table.columns}
            key = found.get_pk_constraint(table.name)["constrained_columns"]
            indexes = {index["name"] for index in found.get_indexes(table.name)}

            assert made == said, table.name
            assert key == [c.name for c in table.primary_key.columns]
            assert indexes == {index.name for index in table.indexes}


def test_every_primary_key_begins_with_the_account():
    of_all_accounts = {"retired_key", "retired_delivery_key"}
    for table in [*schema.inbox.sorted_tables, *schema.ledger.sorted_tables]:
        if table.name in of_all_accounts:
            continue
        assert next(iter(table.primary_key.columns)).name == "account_id"


def test_a_database_is_opened_again_as_it_was(store, database_url):
    store.accounts.ensure([("portal", "hubspot", "4000001")])
    again = open_databases(database_url)
    with reading(again.ledger).connect() as connection:
        assert connection.exec_driver_sql("SELECT account_id FROM account").all() == [("portal",)]
    again.close()


def test_i008_a_store_in_use_passes_its_own_check(store, clock):
    for place in range(50):
        store.inbox.append(account_id="portal", kind="hubspot", body=b"x" * place, at=clock())

    assert check_integrity(store.databases) == []


def test_s059_an_error_of_the_database_shows_no_value(databases):
    with databases.ledger.begin() as connection, pytest.raises(DBAPIError) as failed:
        connection.execute(text("INSERT INTO nowhere VALUES (:v)"), {"v": "MARKER"})

    assert "MARKER" not in str(failed.value)


def test_two_that_count_wait_for_each_other_and_lose_nothing(databases):
    faults = []

    def count():
        try:
            for _ in range(20):
                with databases.ledger.begin() as connection:
                    connection.exec_driver_sql("UPDATE account SET fence = fence + 1")
        except DBAPIError as error:
            faults.append(error)

    with databases.ledger.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO account (account_id, crm, external_id) VALUES ('a', 'c', 'x')"
        )
    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not faults
    with reading(databases.ledger).connect() as connection:
        assert connection.exec_driver_sql("SELECT fence FROM account").scalar_one() == 160


#: What a name or code may bring along, and how it is stored.
CORPUS = {
    "plain": "plain",
    "": "",
    "a\x00b": "a\ufffdb",
    "tab\tline\nbell\x07": "tab\ufffdline\ufffdbell\ufffd",
    "half \ud83d pair": "half \ufffd pair",
    "whole \U0001f600 pair": "whole \U0001f600 pair",
    "e\u0301 and \u00e9": "e\u0301 and \u00e9",
    "\x7f\x80\x9f": "\ufffd\ufffd\ufffd",
    "x" * 40: "x" * 40,
    "\u00e9" * 40: "\u00e9" * 40,
}


def test_s015_unfit_letters_are_stored_alike_on_both_databases(store, clock):
    for place, name in enumerate(CORPUS):
        mark = DueMark(
            account_id="portal",
            object_type=name,
            record_id=str(place),
            cause="changed",
            since_at=None,
        )
        store.due.mark([mark], clock())
    with reading(store.databases.ledger).connect() as connection:
        rows = connection.execute(text("SELECT record_id, object_type FROM due")).all()

    found = {int(record): name for record, name in rows}
    assert [found[place] for place in range(len(CORPUS))] == list(CORPUS.values())


def test_s015_a_name_too_long_is_refused_alike_and_without_its_text(store, clock):
    mark = DueMark(
        account_id="portal",
        object_type="MARKER" * 7,
        record_id="1",
        cause="changed",
        since_at=None,
    )
    with pytest.raises(StatementError) as refused:
        store.due.mark([mark], clock())

    assert "longer than the 40 letters" in str(refused.value)
    assert "MARKER" not in str(refused.value)
