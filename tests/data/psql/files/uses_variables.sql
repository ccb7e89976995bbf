SELECT :n, :'name', :"name";
\set from_included yes
