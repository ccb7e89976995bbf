from alembic import op

revision, down_revision = "5", "4"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("by_last_name", "customer", ["last_name"], postgresql_concurrently=True)


def downgrade():
    op.drop_index("by_last_name")
