import sqlalchemy as sa
from alembic import op

revision, down_revision = "3", "2"


def upgrade():
    """Moves data in the language: what was read decides what is written."""
    connection = op.get_bind()
    customer = sa.table("customer", sa.column("id"), sa.column("full_name"))
    orders = sa.table("orders", sa.column("customer_id"), sa.column("total"))
    op.bulk_insert(customer, [{"full_name": f"O'Brien, {number} 100% \\ é"} for number in range(20)])
    for (key,) in connection.execute(sa.select(customer.c.id).order_by(customer.c.id)).all():
        connection.execute(orders.insert().values(customer_id=key, total=9.95 + key))


def downgrade():
    op.execute("DELETE FROM orders")
