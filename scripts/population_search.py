"""Search the hyperparameters of a recurrent network, all trials at once.

    python scripts/population_search.py

trains 256 random LSTM and GRU configurations on scikit-learn's digits side by side, prunes them
by successive halving, and leaves a run folder. README.md says what is in it. Installing the package
gives the same as a command, `population-search`.
"""

from jaxrnn.tuner.command_line import run_and_exit

if __name__ == "__main__":
    run_and_exit()
