"""Alembic's entry: runs on the connection that `state.database` hands over, in one transaction."""

from alembic import context

from hyperkms.state.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
