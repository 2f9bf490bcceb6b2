"""Known models of the literature as kernels of their own, beside the model of the theatre."""
