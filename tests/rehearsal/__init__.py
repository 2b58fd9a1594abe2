"""`make rehearse`: the experiments of the paper's scale at their true shapes, on few clips and with random weights."""
