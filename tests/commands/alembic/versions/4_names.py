import sqlalchemy as sa
from alembic import op

revision, down_revision = "4", "3"


def upgrade():
    op.add_column("customer", sa.Column("last_name", sa.Text))
    op.execute("UPDATE customer SET last_name = split_part(full_name, ',', 1)")


def downgrade():
    op.drop_column("customer", "last_name")
