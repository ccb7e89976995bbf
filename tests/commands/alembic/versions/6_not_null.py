from alembic import op

revision, down_revision = "6", "5"


def upgrade():
    op.alter_column("customer", "last_name", nullable=False)
    op.create_check_constraint("total_not_negative", "orders", "total >= 0")


def downgrade():
    op.drop_constraint("total_not_negative", "orders")
    op.alter_column("customer", "last_name", nullable=True)
