"""Makes graph.txt and names.txt of the people of Les Misérables, as networkx has them: for each
person a line with the number of that person and of all who appear in a chapter together with them.

    python -m venv venv && venv/bin/pip install networkx==3.6.1
    venv/bin/python convert.py
"""

import pathlib

import networkx

graph = networkx.les_miserables_graph()
names = sorted(graph)
number = {name: at for at, name in enumerate(names)}
lines = [[number[name], *sorted(number[other] for other in graph[name])] for name in names]
here = pathlib.Path(__file__)
here.with_name("names.txt").write_text("".join(f"{name}\n" for name in names))
here.with_name("graph.txt").write_text("".join(" ".join(map(str, line)) + "\n" for line in lines))
